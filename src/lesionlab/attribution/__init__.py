"""Attribution: maps of the image regions that support a prediction, and measures of their quality."""
