"""LeNet with and without batch normalisation: the networks, the data and the training that the claims are about."""
