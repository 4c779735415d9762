"""Who sees what: a user's hash buckets and variant, by a rule that is the same in every language.

bucket(salt, user_id) = int(first 8 hex digits of SHA-256 of the UTF-8 text "salt:user_id") modulo 10,000. Traffic and
variant use different salts, so taking part is independent of the variant. docs/experiments.md publishes test vectors.
2 ** 32 is not a multiple of 10,000: each of the first 7,296 buckets is likelier than the others by 1 in 429,496.
"""

import hashlib

from umg_assets.settings.experiment import BUCKETS, Experiment
from umg_assets.statistics.moments import USER_BUCKETS

HOLDOUT_SALT = "all/holdout"


def bucket(salt: str, user_id: str) -> int:
    """A user's bucket under a salt, 0 to 9,999."""
    return int(hashlib.sha256(f"{salt}:{user_id}".encode()).hexdigest()[:8], 16) % BUCKETS


def traffic_salt(experiment: Experiment) -> str:
    """The salt of the hash that decides who takes part: the layer's, or the experiment's own traffic salt."""
    return f"layer/{experiment.layer}" if experiment.layer else f"{experiment.salt}/traffic"


def traffic_buckets(experiment: Experiment) -> range:
    """The buckets under `traffic_salt` whose users take part."""
    start = round(experiment.traffic_from * BUCKETS)
    return range(start, round((experiment.traffic_from + experiment.traffic) * BUCKETS))


def holdout_buckets(experiment: Experiment) -> range:
    """The buckets under HOLDOUT_SALT whose users take part in no experiment: the same users for every experiment."""
    return range(round(experiment.holdout * BUCKETS))


def variant_buckets(experiment: Experiment) -> dict[str, range]:
    """Variant = its buckets under the experiment's salt."""
    start, ranges = 0, {}
    for name, end in experiment.bounds.items():
        ranges[name] = range(start, end)
        start = end
    return ranges


def assign(experiment: Experiment, user_id: str) -> str | None:
    """The user's variant; None in the holdout or outside the experiment's traffic."""
    if bucket(HOLDOUT_SALT, user_id) in holdout_buckets(experiment):
        return None
    if bucket(traffic_salt(experiment), user_id) not in traffic_buckets(experiment):
        return None
    variant_bucket = bucket(experiment.salt, user_id)
    return next(name for name, buckets in variant_buckets(experiment).items() if variant_bucket in buckets)


def user_bucket(user_key: str) -> int:
    """0 to 999, from a user_key (hexadecimal): the bucket into which the bootstrap sums the user."""
    return int(user_key[:8], 16) % USER_BUCKETS
