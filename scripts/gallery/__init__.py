"""Every page in every state, at three widths, in both languages, light and dark: `make gallery`."""
