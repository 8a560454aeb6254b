"""Images from elsewhere: the client of other registries."""
