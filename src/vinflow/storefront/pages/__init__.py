"""The pages, a module each: translate in, one call, translate out."""
