"""The words people read, and the screens made of them."""
