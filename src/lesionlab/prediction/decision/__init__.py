"""From graph outputs to predictions: calibration, abstention, risk and prediction sets."""
