"""HTML that is only printed: a tree of nodes, escaped; data inside a page; a template filled, and its policy."""

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import TypeAlias


@dataclass(frozen=True)
class Node:
    """An element of HTML or SVG."""

    tag: str
    attributes: Mapping[str, str]
    children: tuple["Node | str", ...]


Tree: TypeAlias = list[object]  # [tag, attributes, *children], for a script that builds the same


def node(tag: str, *children: Node | str, **attributes: object) -> Node:
    """An element; ``class_`` is written as class, ``data_x`` as data-x, and what is None is left out."""
    named = {name.strip("_").replace("_", "-"): _text(value) for name, value in attributes.items() if value is not None}
    return Node(tag, named, children)


def _text(value: object) -> str:
    return f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else str(value)


def to_html(item: Node | str) -> str:
    """The element as text, everything in it escaped."""
    if isinstance(item, str):
        return escape(item)
    attributes = "".join(f' {name}="{escape(value)}"' for name, value in item.attributes.items())
    return f"<{item.tag}{attributes}>{''.join(map(to_html, item.children))}</{item.tag}>"


def to_tree(item: Node | str) -> Tree | str:
    """The element as JSON can say it."""
    if isinstance(item, str):
        return item
    return [item.tag, dict(item.attributes), *map(to_tree, item.children)]


def embed(data: object) -> str:
    """JSON for the inside of a script element: nothing in it can end the element or begin another."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def fill(template: str, parts: Mapping[str, str]) -> str:
    """Put each part at its ``{{name}}``. In one pass: what is put in is not looked at again."""
    return re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], template)


def policy(script: str, style: str, *, pictures: str, videos: str, connect: str) -> str:
    """The Content-Security-Policy: our one script and one style by their hashes, and nothing from elsewhere."""
    rules = {
        "default-src": "'none'",
        "script-src": f"'sha256-{_hash(script)}'",
        "style-src": f"'sha256-{_hash(style)}'",
        "img-src": pictures,
        "media-src": videos,
        "connect-src": connect,
        "base-uri": "'none'",
        "form-action": "'none'",
        "require-trusted-types-for": "'script'",  # no text ever becomes markup, not even by a mistake of ours
        "trusted-types": "'none'",
    }
    return "; ".join(f"{name} {value}" for name, value in rules.items())


def _hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
