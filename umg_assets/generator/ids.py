"""Identifiers as the exporters write them, from the generator's running numbers."""

import numpy as np

from umg_assets.generator.lines import hexadecimal

_MASK = np.uint64(2**48 - 1)


def scrambled(numbers: np.ndarray) -> np.ndarray:
    """A bijection on 48-bit numbers, so that play_ids are unique and in no order."""
    mixed = (numbers.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)) & _MASK
    mixed ^= mixed >> np.uint64(23)
    return (mixed * np.uint64(0xD1B54A32D192ED03)) & _MASK


def id_of_play(play: int) -> str:
    return hexadecimal(scrambled(np.array([play]))).tobytes().decode()


def id_of_user(user: int) -> str:
    return f"u{user:07d}"


def id_of_track(track: int) -> str:
    return f"t{track:06d}"


def id_of_artist(artist: int) -> str:
    return f"a{artist:06d}"
