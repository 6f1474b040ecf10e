"""PyTorch as in typical notebooks: torchvision's transforms, a dataset of files, a loader with batches of 32.

    torch_pipeline.py FIRST NETWORK [--compile]

NETWORK is a name of torchvision (`resnet50`, `resnet34`), or `timm:` and a name of timm. Its weights are random, which
does not change the time.
"""

import sys

import torch
from PIL import Image
from protocol import serve
from torch.utils.data import DataLoader, Dataset
from torchvision import models, transforms

first, name, *options = sys.argv[1:]
if name.startswith("timm:"):
    import timm

    network = timm.create_model(name.removeprefix("timm:"), num_classes=7)
else:
    network = models.get_model(name, num_classes=7)
network.eval()
if "--compile" in options:
    network = torch.compile(network, dynamic=False)
transform = transforms.Compose(
    [
        transforms.Resize((224, 224)),
        transforms.ToTensor(),
        transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
    ]
)


class Files(Dataset):
    def __init__(self, files: list[str]) -> None:
        self.files = files

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> torch.Tensor:
        with Image.open(self.files[index]) as image:
            return transform(image.convert("RGB"))


def predict(files: list[str]) -> None:
    with torch.no_grad():
        for batch in DataLoader(Files(files), batch_size=32):
            torch.softmax(network(batch), dim=1).tolist()


serve(predict, first)
