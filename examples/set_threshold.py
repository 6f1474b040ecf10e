"""Print the operating points of the model and the decisions for an image at two thresholds.

python examples/set_threshold.py lesion.jpg
"""

import sys

from lesionlab import RESEARCH_ONLY, Predictor


def main(image: str) -> None:
    """Compare decisions at the default threshold, at another sensitivity, and at a stated cost.

    Args:
        image: An image file.
    """
    predictor = Predictor.load()
    print(f"Operating points of {predictor.info.identity}:")
    for point in predictor.info.operating_points:
        print(
            f"  {point.name} for {point.target}: threshold {point.threshold:.3f}, sensitivity {point.sensitivity:.3f}, "
            f"specificity {point.specificity:.3f}; at a prevalence of {point.prevalence:.1%} PPV {point.ppv:.3f}, "
            f"NPV {point.npv:.3f} ({point.measured_on})"
        )

    for risk in ("sensitivity=0.95", "sensitivity=0.98", "cost=20"):
        prediction = Predictor.load(predictor.bundle, risk=risk).predict(image)
        if prediction.abstained:
            print(prediction.headline)
            break
        found = prediction.operating_points[0]
        decision = "positive" if found.positive else "negative"
        print(
            f"{found.name}: {decision}, P({found.target}) {found.target_probability:.1%} against a threshold of "
            f"{found.threshold:.1%}; risk {prediction.risk}"
        )
    print(RESEARCH_ONLY)


if __name__ == "__main__":
    main(*sys.argv[1:])
