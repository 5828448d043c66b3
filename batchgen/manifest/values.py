"""One cell of text -> one parameter's value, or a sentence that says what is wrong and how to mend it. Pure.

Every function takes the cell as it stands in the file and raises :class:`Refused`. None of them is given a
cell that is blank: that means the service's default and is the business of ``rules.py``.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from batchgen.manifest.quoting import alternatives, did_you_mean, quoted
from batchgen.request import IMAGE_FILE, with_newlines
from batchgen.words import escaped

MOST_SEEDS = 10_000  # jobs that the seeds of one row may make
_LONGEST_SEEDS = 25 * MOST_SEEDS  # characters: as many of the longest as there may be, and what stands between them
LARGEST_SEED = 2**63 - 1  # what SQLite, and most services, hold in an integer
LARGEST_EXACT = 2**53  # up to here a number with a point, a double, is certainly the whole number that was meant
LONGEST_ID = 200  # characters

_SECONDS = re.compile(r"([0-9]{1,6})(?:[.,]0+)?\s*(?:s(?:ec(?:ond)?s?)?)?", re.IGNORECASE)
# 42.0: so pandas writes the whole numbers of a column with blanks. 1.000 may be a thousand.
_DIGITS = re.compile(r"([0-9]+)(\.0)?")
_NUMBER = re.compile(r"[0-9]+")
_RANGE = re.compile(r"([0-9]+)[-–]([0-9]+)")
_BELOW = re.compile(r"-\s*[0-9]+([.,][0-9]+)?")
_BROKEN = re.compile(r"\+?[0-9]+[.,][0-9]{1,2}")
_THOUSANDS = re.compile(r"[1-9][0-9]{0,2}([,\s][0-9]{3})*[,\s]0[0-9]{2}([,\s][0-9]{3})*")  # nobody names a seed 000
_RANGE_SPACES = re.compile(r"(?<!\s)\s*([-–])\s*")  # from the first blank alone: else each of many begins anew
_MANGLED = re.compile(r"[+-]?[0-9][0-9.,\s]*(e[+-]?[0-9]+)?", re.IGNORECASE)
_DATE = re.compile(r"[0-9]{1,4}[-/. ]+([0-9]{1,2}|[a-zé]{3,9})([-/. ]+[0-9]{2,4})?\.?", re.IGNORECASE)
_CLOCK = re.compile(r"0?([0-9]{1,2}):0?([0-9]{1,2})(:00)?")
_TRUE = frozenset({"true", "yes", "on", "1", "y", "t"})
_FALSE = frozenset({"false", "no", "off", "0", "n", "f"})
SWITCH_WORDS = tuple(sorted(_TRUE | _FALSE))
# What spreadsheet programs make of true and false in German, French, Spanish, Italian, Portuguese and Dutch.
_TRUE_ABROAD = frozenset({"wahr", "vrai", "verdadero", "vero", "verdadeiro", "waar"})
_FALSE_ABROAD = frozenset({"falsch", "faux", "falso", "onwaar"})
_BETWEEN_IMAGES = re.compile(r"\s*[|;,]\s*(?=https?://)|\s+", re.IGNORECASE)
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]+:", re.IGNORECASE)  # two letters at least: C: is a drive
_NO_IMAGES = frozenset(
    (".gif", ".bmp", ".tif", ".tiff", ".svg", ".heic", ".heif", ".avif", ".ico", ".psd", ".ai", ".eps", ".raw",
     ".mp4", ".mov", ".m4v", ".webm", ".avi", ".mkv", ".mpg", ".mp3", ".pdf", ".doc", ".docx", ".ppt", ".pptx",
     ".xls", ".xlsx", ".csv", ".txt", ".zip", ".htm", ".html")
)  # fmt: skip
# What a cell shows when its formula went wrong, in Excel, LibreOffice and Google Sheets; Err:508 and the like, too.
_CELL_ERROR = re.compile(
    r"#(REF!|NAME\?|VALUE!|N/A|DIV/0!|NUM!|NULL!|SPILL!|CALC!|FIELD!|BUSY!|BLOCKED!|CONNECT!|UNKNOWN!|GETTING_DATA"
    r"|ERROR!)|Err:5[0-9]{2}",
    re.IGNORECASE,
)
_FORMULA = re.compile(r"\s*=\s*([A-Za-z_.]+\(|\$?[A-Za-z]{1,3}\$?[0-9]|[\"'(])")
# What a person writes where a prompt is to come, or a program where there was none.
_STOPGAP = re.compile(r"\s*(tb[acd]|to ?do|wip|n/?a|nan|nat|none|null|nil|<na>|[-–—?.…]+)\s*", re.IGNORECASE)
STOPGAP_CHARACTERS = 8  # at most
# The bytes of UTF-8, read as Windows' Western letters (Ã©, â€™, ðŸ), or lost on the way.
_MOJIBAKE = re.compile(
    "[ÃÂ][\u0080-\u00bf\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u0192\u02c6\u02dc\u2013-\u2022\u2026\u2030\u2039"
    "\u203a\u20ac\u2122]|â€.?|ðŸ|ï»¿|\ufffd"
)
UNSTORABLE = re.compile("[\x00\ud800-\udfff]")  # it can be neither sent nor kept
_UNSENDABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")


class Refused(ValueError):  # noqa: N818 - it is an answer, not a fault of the program
    """A cell that cannot be taken; its text names the parameter, the value and the way out."""


def choice(name: str, cell: str, allowed: Sequence[str]) -> str:
    """Return the one of ``allowed`` that the cell names, in any case."""
    wanted = cell.strip().casefold()
    for word in allowed:
        if word.casefold() == wanted:
            return word
    meant = [word for word in allowed if _NUMBER.findall(word) in ([], _NUMBER.findall(cell))]  # 480p is not 1080p
    hint = did_you_mean(cell, meant)
    if (ratio := clock_ratio(wanted)) in allowed:
        hint = f"; a spreadsheet turned {ratio} into a time: format the column as text and type it again"
    raise Refused(f"{name} {quoted(cell)} is not known; write {alternatives(allowed)}{hint}")


def clock_ratio(time: str) -> str | None:
    """Return the ratio that may have become this time of day: spreadsheets save 16:9 as 16:09:00."""
    clock = _CLOCK.fullmatch(time)
    return f"{clock[1]}:{clock[2]}" if clock else None


def duration(cell: str, allowed: Sequence[int]) -> int:
    """Seconds: ``5``, ``5s``, ``5 sec``; ``5.0``, as data frames write a column that has gaps."""
    match = _SECONDS.fullmatch(cell.strip())
    if match and int(match[1]) in allowed:
        return int(match[1])
    raise Refused(f"duration {quoted(cell)} cannot be made; write {alternatives(allowed)} (whole seconds)")


def expansion(cell: str) -> bool:
    """Yes or no, in the words that people use."""
    word = cell.strip().casefold()
    if word in _TRUE or word in _TRUE_ABROAD:
        return True
    if word in _FALSE or word in _FALSE_ABROAD:
        return False
    hint = did_you_mean(cell, ("true", "false", "yes", "no"))
    raise Refused(f"enable_prompt_expansion {quoted(cell)} is neither yes nor no; write true or false{hint}")


def is_plain_seed(cell: str) -> bool:
    """Whether it is digits alone, and so few that the number is never too large."""
    return len(cell) < 19 and cell.isascii() and cell.isdigit()


def are_plain_seeds(cells: Sequence[str]) -> bool:
    """Whether each is a plain seed: asked of all in one."""
    joined = "".join(cells)
    return all(cells) and len(max(cells, key=len)) < 19 and joined.isascii() and joined.isdigit()


def seed(cell: str) -> int:
    """Return a whole number from 0 to 2**63-1, written in digits."""
    if is_plain_seed(cell):
        return int(cell)
    digits = cell.strip()
    if whole := _DIGITS.fullmatch(digits):
        return _whole(whole)
    if _BELOW.fullmatch(digits):
        raise Refused(f"seed {quoted(cell)} is below 0; write 0 or more")
    if _BROKEN.fullmatch(digits):
        raise Refused(f"seed {quoted(cell)} is not whole; write a whole number, such as 42")
    if _MANGLED.fullmatch(digits):
        raise Refused(
            f"seed {quoted(cell)} is not a whole number in plain digits; if a spreadsheet has changed it, "
            "format the column as text and type the seed again"
        )
    raise Refused(f"seed {quoted(cell)} is not a number; write digits only, such as 42")


def _whole(digits: re.Match[str]) -> int:
    number = _in_range(digits[1])
    if digits[2] and number > LARGEST_EXACT:
        raise Refused(f"seed {quoted(digits[0])} may have lost its last digits; type it without a point, as text")
    return number


def _in_range(digits: str) -> int:
    digits = digits.lstrip("0") or "0"  # int() refuses thousands of them, even noughts
    if len(digits) > 19 or int(digits) > LARGEST_SEED:
        raise Refused(f"seed {quoted(digits)} is too large; write one from 0 to {LARGEST_SEED}")
    return int(digits)


def seeds(cell: str) -> tuple[int, ...]:
    """Every seed of ``1-4``, ``1;5;9``, ``1,5 9`` or a mixture, in the order as written."""
    found: list[int] = []
    if len(cell) > _LONGEST_SEEDS:
        raise Refused(f"seeds {quoted(cell)} has {len(cell)} characters; split it into several rows")
    if _THOUSANDS.fullmatch(cell.strip()):
        one, several = re.sub(r"[,\s]", "", cell), re.sub(r"[,\s]+", ";", cell.strip())
        raise Refused(f"seeds {quoted(cell)} may be one number or several; write {one}, or {several}")
    for part in re.split(r"[;,\s]+", _RANGE_SPACES.sub(r"\1", cell.strip(" \t\r\n;,"))):
        first, last = _ends(part, cell)
        if len(found) + last - first >= MOST_SEEDS:
            raise Refused(f"seeds {quoted(cell)} are more than {MOST_SEEDS}; split them into several rows")
        found.extend(range(first, last + 1))
    if len(set(found)) < len(found):
        twice = next(number for number, times in Counter(found).items() if times > 1)
        raise Refused(f"seeds {quoted(cell)} name the seed {twice} twice; name each once")
    return tuple(found)


def _ends(part: str, cell: str) -> tuple[int, int]:
    """First and last seed of one part of ``seeds``."""
    if whole := _DIGITS.fullmatch(part):
        return (_whole(whole),) * 2
    if _BELOW.fullmatch(part):
        raise Refused(f"seeds {quoted(cell)} hold one below 0; write 0 or more, like 1-4 or 1;5;9")
    span = _RANGE.fullmatch(part)
    if not span:
        raise Refused(f"seeds {quoted(cell)} cannot be read; write them like 1-4 or 1;5;9{_date_hint(cell)}")
    first, last = _in_range(span[1]), _in_range(span[2])
    if first > last:
        raise Refused(f"seeds {quoted(cell)} run backwards; write the smaller end first: {last}-{first}")
    return first, last


def _date_hint(cell: str) -> str:
    """Spreadsheets take 1-4 for a date, and long numbers for scientific ones."""
    if _DATE.fullmatch(cell.strip()) or _MANGLED.fullmatch(cell.strip()):
        return "; if a spreadsheet has changed them, format the column as text and type them again"
    return ""


def images(cell: str, image_of: Callable[[str], str] | None = None) -> tuple[str, ...]:
    """Return the images of a cell: links, or what ``image_of`` gives for the files that are named.

    Several stand as a JSON list, one in each line or separated by ``|``; links also by blanks, ``;`` or ``,``.
    """
    text = cell.strip()
    lines = with_newlines(text).split("\n")
    found = _json_list(text) if text.startswith("[") else [part for line in lines for part in _parts(line)]
    return tuple(_image(part, image_of) for part in found)


def _parts(line: str) -> list[str]:
    parts = _BETWEEN_IMAGES.split(line.strip()) if "://" in line else line.split("|")  # a file's name may have blanks
    return [part.strip() for part in parts if part.strip()]


def _image(text: str, image_of: Callable[[str], str] | None) -> str:
    if image_of is None and IMAGE_FILE.fullmatch(text):
        return text
    if image_of is None or (_SCHEME.match(text) and not IMAGE_FILE.fullmatch(text)):
        _check_link(text)
        return text
    try:
        return image_of(text)
    except PermissionError as error:
        raise Refused(f"image_urls names {error}") from None
    except ValueError as error:
        raise Refused(f"image_urls {quoted(text.partition('?')[0])} {error}") from None


def _json_list(text: str) -> list[str]:
    try:
        links = json.loads(text)
    except (ValueError, RecursionError):
        links = None
    if not isinstance(links, list) or not all(isinstance(link, str) for link in links):
        raise Refused(f'image_urls {quoted(text)} begins like a JSON list; write it as ["https://…", "https://…"]')
    return links


def without_secret(link: str) -> str:
    """What may be shown of a link: a signed one's query is a key to the image, and a password may stand before an @."""
    return re.sub(r"//[^/]*@", "//…@", link.partition("?")[0])


def _check_link(link: str) -> None:
    seen = quoted(without_secret(link))
    try:
        parts = urlsplit(link)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good or not link.isprintable() or " " in link:
        raise Refused(f"image_urls {seen} is not a link that the service can fetch; write https://… in full")
    if "@" in parts.netloc:
        raise Refused(f"image_urls {seen} holds a name or password; use a link that needs none (a signed one)")


def no_image(link: str) -> str | None:
    """What to ask about a link whose path ends like something else than the images that the service takes."""
    ending = PurePosixPath(urlsplit(link).path).suffix.lower()
    if ending not in _NO_IMAGES:
        return None
    return f"image_urls has a link that ends in {ending}, and the service takes JPG, PNG or WebP; check it"


def identity(cell: str) -> str:
    """Return an id: trimmed, printable, of at most ``LONGEST_ID`` characters."""
    text = cell.strip()
    if is_identity(text):
        return text
    if len(text) > LONGEST_ID:
        raise Refused(f"id {quoted(cell)} has {len(text)} characters; shorten it to {LONGEST_ID}")
    raise Refused(f"id {quoted(cell)} holds a character that cannot be printed; write it without")


def is_identity(text: str) -> bool:
    """Whether a trimmed text, which may be empty, can be taken."""
    return len(text) <= LONGEST_ID and text.isprintable()


def are_identities(texts: Sequence[str]) -> bool:
    """Whether each can be taken: asked of all in one."""
    return len(max(texts, key=len)) <= LONGEST_ID and "".join(texts).isprintable()


def prose(name: str, cell: str) -> str:
    """Return a prompt, to the character; only what no service can take in, and no prompt is, is refused."""
    if _CELL_ERROR.fullmatch(cell.strip()):
        raise Refused(f"{name} is {cell.strip()}, a spreadsheet's error; mend its formula, or type the text")
    if bad := unsendable(cell):
        place = f"character {bad.start() + 1} ({escaped(bad[0])})"
        raise Refused(f"{name} {quoted(cell)} holds a control character, {place}; delete it")
    return cell


def with_newlines_throughout(column: Sequence[str]) -> Sequence[str]:
    r"""The prompts with their line ends as ``\n``: hardly a column has others, which is asked of all in one."""
    return list(map(with_newlines, column)) if "\r" in "".join(column) else column


def unsendable(cell: str) -> re.Match[str] | None:
    """The first character of a prompt that no service can take in."""
    return None if cell.isprintable() else _UNSENDABLE.search(cell)


def is_stopgap(cell: str) -> bool:
    """Whether a prompt only holds the place of one: TBD, n/a, or what a program writes for nothing (nan, None)."""
    return len(cell) <= STOPGAP_CHARACTERS and _STOPGAP.fullmatch(cell) is not None


def doubtful(name: str, cell: str) -> str | None:
    """What to ask about a prompt that a program or a person may have put in the place of what was meant."""
    if name == "prompt" and is_stopgap(cell):
        return f"{name} {quoted(cell)} is sent as it stands, and paid for; if one is still to come, leave the row out"
    if _FORMULA.match(cell):
        return f"{name} begins like a formula, and is sent as it stands; if its result is meant, save the values"
    if not cell.isascii() and (found := _MOJIBAKE.search(cell)):
        return (
            f"{name} holds {quoted(found[0])}, as when a text is read in a wrong encoding; look at its letters, "
            "and save the file anew as UTF-8, or name its encoding with --encoding"
        )
    return None
