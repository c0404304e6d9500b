"""One adapter per messaging platform, behind one contract."""
