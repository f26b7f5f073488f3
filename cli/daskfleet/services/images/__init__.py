"""Machine images: what is built, where it is kept, and which one fits a client."""
