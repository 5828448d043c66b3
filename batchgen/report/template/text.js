// Text and elements. Whatever comes from a sheet or the service ends in a text node or a plain attribute:
// nothing in this page turns text into markup, and its policy (Trusted Types) would not let it.

const SVG = "http://www.w3.org/2000/svg";
const UNSEEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/g;

const $ = (id) => document.getElementById(id);

/** Text with what commands a terminal or turns the writing direction made visible. */
function shown(text) {
  return text
    .replaceAll("\r\n", "\n")
    .replace(UNSEEN, (c) => `⟨U+${c.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}⟩`);
}

/** An element; children are elements, texts, or nothing. */
function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

/** A code that may go on in the next line behind each underscore: a narrow card would break it in mid-word. */
function breakable(code) {
  return code.split(/(?<=_)/).flatMap((part, at) => (at ? [element("wbr"), part] : [part]));
}

/** The element that the program describes as [tag, attributes, ...children]. */
function build(tree, within = "") {
  if (typeof tree === "string") return document.createTextNode(tree);
  const [tag, attributes, ...children] = tree;
  const isDrawing = within === "svg" || tag === "svg";
  const made = isDrawing ? document.createElementNS(SVG, tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children.map((child) => build(child, isDrawing ? "svg" : "")));
  return made;
}

const WORDS = {
  archived: "done",
  rendered: "to fetch",
  in_flight: "generating",
  submitting: "generating",
  pending: "waiting",
  failed: "failed",
  expired: "expired",
  in_doubt: "in doubt",
};

const number = new Intl.NumberFormat("en");
const clock = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

function moment(seconds) {
  const date = new Date(seconds * 1000);
  return Number.isNaN(date.getTime()) ? "" : clock.format(date); // a service's clock may say anything
}

/** The same as results.csv has it, as far as the page knows it. */
function zulu(seconds) {
  const date = new Date((seconds ?? NaN) * 1000);
  return Number.isNaN(date.getTime()) ? "" : date.toISOString();
}

function size(bytes) {
  const units = ["bytes", "kB", "MB", "GB", "TB"];
  let unit = 0;
  for (; bytes >= 1000 && unit < units.length - 1; unit++) bytes /= 1000;
  return `${unit ? bytes.toFixed(1) : bytes} ${units[unit]}`;
}

function period(seconds) {
  if (seconds < 60) return `${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)} s`;
  const minutes = Math.floor(seconds / 60);
  return minutes < 60
    ? `${minutes} min ${Math.round(seconds % 60)} s`
    : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** Put text on the clipboard. The old way is for browsers that keep the new one from pages on the disk. */
async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const field = element("textarea", { class: "away", "aria-hidden": "true" });
    field.value = text;
    (document.querySelector("dialog[open]") ?? document.body).append(field);
    field.select();
    document.execCommand("copy");
    field.remove();
  }
}
