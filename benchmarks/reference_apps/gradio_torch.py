"""A reference for timing: ResNet-50 of PyTorch at 224 pixels in Gradio, two classes, random weights."""

import os

import gradio as gr
import torch
from PIL import Image
from torchvision import models, transforms

CLASSES = ("benign", "malignant")

prepare = transforms.Compose(
    [
        transforms.Resize((224, 224)),
        transforms.ToTensor(),
        transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
    ]
)
network = models.resnet50(weights=None)
network.fc = torch.nn.Linear(network.fc.in_features, len(CLASSES))
network.eval()


def predict(image: Image.Image) -> dict[str, float]:
    with torch.no_grad():
        logits = network(prepare(image.convert("RGB")).unsqueeze(0))
    probabilities = torch.softmax(logits, dim=1)[0]
    return {name: float(probability) for name, probability in zip(CLASSES, probabilities, strict=True)}


app = gr.Interface(
    predict, gr.Image(type="pil"), gr.Label(), title="Skin lesion", api_name="predict", analytics_enabled=False
)

if __name__ == "__main__":
    app.launch(server_name="127.0.0.1", server_port=int(os.environ["PORT"]), share=False)
