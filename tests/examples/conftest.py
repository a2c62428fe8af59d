"""Where the figures go."""

import pathlib


def pytest_addoption(parser):
    parser.addoption("--figures", type=pathlib.Path, help="the folder that gets them; else they are dropped")
