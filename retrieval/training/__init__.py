"""Training of encoders: data sets, views, losses, loops. Nothing that serves may enter."""
