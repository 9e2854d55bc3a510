"""Ways in from elsewhere: other packages' interfaces, answered by ours. No Django."""
