"""The people of bench/two_years.py, what they say, and what is looked at while they live."""
