"""The statistics of experiments. Pure: numbers in, numbers out."""
