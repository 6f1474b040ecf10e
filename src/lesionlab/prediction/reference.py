"""What a bundle's reasons and refusals rest on, held against its graph."""

from lesionlab.bundle import Bundle, Reference
from lesionlab.errors import BundleError


def checked_reference(bundle: Bundle, channels: int | None) -> Reference:
    """Return what a bundle's reasons and refusals rest on, if it fits the graph.

    Args:
        bundle: The bundle.
        channels: Channels of the graph's feature map; None for a graph without one.

    Raises:
        BundleError: It is that of another graph.
    """
    reference = bundle.reference or Reference()
    head, features = reference.head, reference.features
    fits = head is None or head.weights.shape == (len(bundle.info.classes), channels)
    if not fits or (features is not None and features.basis.shape[1:] != (channels,)):
        raise BundleError(f"{bundle.path}: reference.npz is not that of this graph; export the bundle again")
    return reference
