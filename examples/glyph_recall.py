"""Glyph recall: letters of 16×16 pixels come back from copies with many pixels flipped.

A memory of the projection rule keeps every stored letter as a fixed point although letters resemble each other, which the
Hebbian rule doesn't. Damaged copies relax towards them, and each halts when its own energy is stable: the more pixels
are flipped, the more steps it takes.
"""

import string

import attractor
import matplotlib
import numpy as np
from gallery import output_folder, show_images
from PIL import Image, ImageDraw, ImageFont

output = output_folder(__doc__)
rng = np.random.default_rng(1)

# Capital letters as matplotlib's own font draws them: +1 is ink, −1 paper.
SIDE = 16
font = ImageFont.truetype(matplotlib.font_manager.findfont("DejaVu Sans"), SIDE - 2)


def draw(letter):
    image = Image.new("1", (SIDE, SIDE))
    ImageDraw.Draw(image).text((SIDE / 2, SIDE / 2), letter, fill=1, font=font, anchor="mm")
    return np.where(np.array(image), 1, -1).ravel()


letters = np.array([draw(letter) for letter in string.ascii_uppercase], np.float32)

# A stored pattern is to be a fixed point: tanh(x + 2u) pulls harder than the default gain.
relaxer = attractor.Relaxer(attractor.Memory.projection(letters), update=attractor.tanh_update(2.0), max_steps=200)

# 100 damaged copies of each letter, at growing shares of flipped pixels.
origins = np.repeat(np.arange(len(letters)), 100)
print("flipped   recovered   mean steps")
for share in (0.05, 0.10, 0.15, 0.20, 0.25, 0.30):
    flips = np.where(rng.random((len(origins), SIDE * SIDE)) < share, -1, 1)
    damaged = letters[origins] * flips
    result = relaxer.relax(damaged)
    recovered = (np.sign(result.states) == letters[origins]).all(axis=1)
    print(f"{share:7.0%}   {recovered.mean():9.1%}   {result.steps.mean():10.1f}")
    if share == 0.20:
        shown = slice(0, 1300, 100)
        show_images(["stored", "20 % flipped", "recalled"],
                    [rows[shown].reshape(-1, SIDE, SIDE) for rows in (letters[origins], damaged, result.states)],
                    output / "glyph_recall.svg", vmin=-1, vmax=1)
