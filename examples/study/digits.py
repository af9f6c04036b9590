"""Writes digits.bin: scikit-learn's bundled digits, a label and 64 grey values (0 to 16) a byte each, image by image.

    python examples/study/digits.py examples/study/digits.bin
"""

import sys

import numpy
from sklearn.datasets import load_digits

digits = load_digits()
images = digits.images.reshape(len(digits.images), 64)
assert images.shape == (1797, 64) and images.min() == 0 and images.max() == 16
table = numpy.concatenate([digits.target[:, None], images], axis=1).astype(numpy.uint8)
with open(sys.argv[1], "wb") as file:
    file.write(table.tobytes())
