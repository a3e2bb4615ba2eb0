"""One line of plain text: the place that it names, which data it is about, and its metrics."""

from __future__ import annotations

import re
from typing import Final, Literal

from trackside_service.logfiles import names
from trackside_service.logfiles.read import Row, as_number, moment, whole

_NUMBER: Final = r"[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?|[-+]?(?:nan|inf(?:inity)?)\b"
_ANSI: Final = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x08")
# A column padded to the width of a terminal: patterns that allow space in several places cost the cube of its length.
_GAP: Final = re.compile(r"\s{9,}")
_TIME: Final = re.compile(r"\d{4}[-/]\d{2}[-/]\d{2}[ T]\d{2}:\d{2}:\d{2}(?:[.,]\d{1,6})?")
# What several tools write in words of their own: Epoch(val) [1][10/10], lr(CosineAnnealing): 0.1,
# Train: [0/300][5/9], Train: 0 [ 5/390 (  1%)], 1epoch:train:1-50batch:, s:12 trl:3.2, [12]  train-logloss:0.3,
# [12]  valid_0's l2: 0.3, 12:  learn: 0.3  test: 0.4  best: 0.4 (12),
# Accuracy: 9800/10000 (98%), Accuracy of the network on the 10000 test images: 98 %
_REWRITTEN: Final = (
    (re.compile(r"\b(epoch|iter)\((train|val|test)\)", re.IGNORECASE), r"\2 \1"),
    (re.compile(r"\blr\([A-Za-z_]\w*\)", re.IGNORECASE), "lr"),
    (re.compile(r"\b(train)(?:ing)?: *\[(\d+)(/\d+)?\](?= *\[)", re.IGNORECASE), r"\1 epoch \2\3 "),
    (re.compile(r"\b(train)(?:ing)?: *(\d+) +(?=\[)", re.IGNORECASE), r"\1 epoch \2 "),
    (re.compile(r"(?<!\w)(\d+)epoch(?::(?:train|valid):\d+-(\d+)batch:| results:)"), r"epoch \1 "),
    (re.compile(r"^s:(\d+)(?= te?[lr])"), r"step \1"),
    (re.compile(r"^\[(\d+)\](?=\s+[\w-]+:[\d.])"), r"step \1"),
    (re.compile(r"^\[(\d+)\](?=\s+[\w-]+'s )"), r"step \1"),
    (re.compile(r"\btraining's (?=\w)"), "train_"),
    (re.compile(r"\b(?:valid|eval|test)\w*'s (?=\w)"), "val_"),
    (re.compile(r"^(\d+):\s+learn: (\S+)(?:\s+test: (\S+))?.*"), r"step \1 train: \2 val: \3"),
    (re.compile(r"(?<=:) *\d+/\d+ \((\d+(?:\.\d+)?) ?%\)"), r" \1%"),
    (re.compile(r"\b(accuracy) of the (?:model|network)\b[^:]*:", re.IGNORECASE), r"\1:"),
    (re.compile(r"\bSaving dict for (?=global step)"), "eval "),
)
_EPOCH: Final = re.compile(
    r"(?<!\w)ep(?:och)?s?['\"]?\s*[:=#]?\s*[\[(]?\s*(\d+(?:\.\d+)?)\s*(?:(?:/|of)\s*\d+)?", re.IGNORECASE
)
_STEP: Final = re.compile(
    r"(?<!\w)(global[_ ]?step|step|iteration|iter|batch|update)s?['\"]?\s*[:=#]?\s*[\[(]?"
    r"\s*(\d+)(?![\d.]*\d)(?!\w)\s*(?:(?:/|of)\s*(\d+))?",
    re.IGNORECASE,
)
# [ 50/100], (50/100), | 50/100 |, [ 5/390 (  1%)], and tqdm's | 5/10 [00:01<00:02, ...
_BRACKETED: Final = re.compile(r"[\[|(]\s*(\d+)\s*/\s*(\d+)\s*(?:\(\s*\d+%\))?\s*(?:[\])|]|\[\d+:\d\d)")
# PyTorch's MNIST example counts samples, and so no updates: Train Epoch: 1 [640/60000 (1%)]
_SAMPLES: Final = re.compile(r"\btrain epoch: \d+ \[\d+/\d+ \(\d+%\)\]", re.IGNORECASE)
_LAST: Final = re.compile(r"\s(\d+)/(\d+)$")
# fairseq: epoch 001:    100 / 1000 loss=9.8
_COUNTED: Final = re.compile(r"\|:?\s+(\d+) / (\d+)\s")
# Bounded, or a long line costs its square; from its first letter to its last, or prose costs many tries a word.
_WORD: Final = r"(?<![A-Za-z])(?!(?:nan|inf|infinity)\b)[A-Za-z][\w@./-]{0,99}+"
_PAIR: Final = re.compile(
    rf"(?P<name>{_WORD}(?:[ ]{_WORD}){{0,3}})['\"]?(?:\s*[:=]\s*|\s+)[\[(]?['\"]?"
    rf"(?P<value>{_NUMBER})(?P<percent>\s?%)?(?![\w.%/:])",
    re.IGNORECASE,
)
# A word about the data, unless it is itself what has a value: in "train=0.45 val=0.52" each is a metric.
_SCOPE: Final = re.compile(
    rf"\b(train(?:ing)?|val(?:id(?:ation)?)?|eval(?:uation)?|test(?:ing)?|dev)\b(?!['\"]?\s*[:=]\s*(?:{_NUMBER}))",
    re.IGNORECASE,
)
# The running mean that is printed behind a batch's own value: of an evaluation it is the result.
_MEAN: Final = re.compile(rf"\s*\(\s*({_NUMBER})\s*\)", re.IGNORECASE)
_MARKED: Final = re.compile(r"\b(?:best|lowest|highest|previous|saving|saved|loading|improved)\b", re.IGNORECASE)


def cleaned(raw: str) -> str:
    """Return a line as the eye sees it: a carriage return overwrites it, as progress bars do, and colours are gone. One
    that ends in backspaces was taken back.
    """
    if raw.endswith("\b"):
        return ""
    return _GAP.sub(" " * 8, _ANSI.sub("", raw.rstrip("\r\b").rsplit("\r", 1)[-1]).strip())


def read(line: str, units: dict[str, str]) -> tuple[Row, Literal["train", "val"] | None]:
    """Return what a line says, and which data it says that it is about. Metrics with a percent sign are noted in
    `units`.
    """
    for pattern, replaced in _REWRITTEN:
        line = pattern.sub(replaced, line)
    rest, row = _placed(line)
    scopes = [(found.start(), names.validates(found[1]) is True) for found in _SCOPE.finditer(rest)]
    row.validates = bool(scopes) and scopes[0][1]
    for pair in _PAIR.finditer(rest):
        if _MARKED.search(pair["name"]):
            continue
        name = _name(pair["name"])
        if names.place_of(name) == "step" and row.step is None:
            row.step, row.inner, row.of = whole(pair["value"]), None, None
        bare = name in ("train", "val")  # "train=0.45 val=0.52": some score that has no other name
        if names.place_of(name) is not None or not (bare or names.is_metric(name)):
            continue
        # The nearest word before a metric says what was measured: train: loss=1.2 | val: loss=1.3
        about = [validates for at, validates in scopes if at <= pair.start("name")] or [v for _, v in scopes[:1]]
        if about and about[-1] and name not in ("lr", "grad_norm"):
            name = names.of_validation(name)
        value = as_number(pair["value"])
        mean = _MEAN.match(rest, pair.end()) if row.validates and row.of is not None else None
        if mean is not None:
            value = as_number(mean[1])
        if value is not None and name not in row.metrics:
            row.metrics[name] = value
            if pair["percent"]:
                units[name] = "percent"
    return row, None if not scopes else "val" if row.validates else "train"


def _placed(line: str) -> tuple[str, Row]:
    """Take time, epoch and step out of a line."""
    row = Row()
    samples = _SAMPLES.search(line) is not None
    stamp = _TIME.search(line)
    if stamp is not None:
        row.time = moment(stamp.group())
        line = line[: stamp.start()] + "|" + line[stamp.end() :]
    epoch = _EPOCH.search(line)
    if epoch is not None:
        row.epoch = as_number(epoch.group(1))
        line = line[: epoch.start()] + "|" + line[epoch.end() :].lstrip(" ])")
        if line[epoch.start() :].startswith("|:"):
            line = line.replace("|:", "|: ", 1)
    step = _STEP.search(line)
    if step is not None:
        count, of = whole(step.group(2)), whole(step.group(3))
        if row.epoch is not None and not step.group(1).lower().startswith("global"):
            # With an epoch beside it a batch counts inside; a step does where the log says of how many.
            if of is not None or step.group(1).lower() == "batch":
                row.inner, row.of = count, of
            else:
                row.step = count
        elif step.group(1).lower() != "batch":
            row.step, row.of = count, of
        line = line[: step.start()] + "|" + line[step.end() :].lstrip(" ])")
        return line, row
    inside = row.epoch is not None
    found = (None if inside else _LAST.search(line)) or _BRACKETED.search(line) or (inside and _COUNTED.search(line))
    if found:
        row.inner, row.of = whole(found.group(1)), None if samples else whole(found.group(2))
        line = line[: found.start()] + "|" + line[found.end() :]
    return line, row


def _name(words: str) -> str:
    """Return the metric's name: of several words the longest ending that is known, else all of them."""
    parts = words.split(" ")
    for first in range(len(parts)):
        name = names.clean(" ".join(parts[first:]))
        if names.is_known(name) or names.place_of(name) is not None:
            return name
    if len(parts) > 1 and _SCOPE.fullmatch(parts[0]) is None:
        return names.clean(parts[-1])
    return names.clean(" ".join(parts))
