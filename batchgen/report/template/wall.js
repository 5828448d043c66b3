// The wall: only the cards near the window exist as elements, so that ten thousand rows cost what fifty do.

const OVERSCAN = 600; // pixels above and below the window
const HOVER_MS = 140;
const ON_PAPER = 2000; // cards; more would be a book
const REST_MS = 80;
const LONG_SEED = 6; // digits
const SEEN = 400; // letters of a prompt that a card or a heading can show

class Wall {
  constructor(root, open) {
    this.root = root;
    this.open = open; // called with a row
    this.rows = [];
    this.layout = { lines: [], end: 0 };
    this.elements = new Map(); // item key -> element
    this.places = new Map(); // row -> its item
    this.current = null; // the row that Tab leads to
    this.isOnPaper = false;
    this.calm = matchMedia("(prefers-reduced-motion: reduce)");
    this.#listen();
  }

  /** Show these rows in this layout: (rows, width) -> {lines, end}. */
  show(rows, arrange) {
    this.rows = rows;
    this.arrange = arrange;
    this.relay();
  }

  relay() {
    this.width = this.root.clientWidth;
    if (!this.arrange || !this.width) return;
    this.layout = this.arrange(this.rows, this.width);
    const items = this.layout.lines.flatMap((line) => line.items).filter((item) => item.row);
    this.items = items;
    this.places = new Map(items.map((item, index) => [item.row, { item, index }]));
    if (!this.places.has(this.current)) this.current = items[0]?.row ?? null;
    this.root.style.height = `${Math.ceil(this.layout.end)}px`;
    this.draw();
  }

  /** Make every card, for paper, where nothing can be scrolled to; they stay until `fromPaper`. */
  toPaper() {
    this.isOnPaper = true;
    this.isLeaping = false;
    const inOrder = ({ group, bySeed, ...item }) => {
      if (group) return [{ group, ...item }, ...group.map((row) => this.places.get(row).item)];
      return bySeed ? [] : [item];
    };
    const items = this.layout.lines.flatMap((line) => line.items.flatMap(inOrder)).slice(0, ON_PAPER);
    for (const made of this.elements.values()) discard(made);
    this.elements.clear();
    for (const item of items) this.#place(item.row ?? headingKey(item), item);
  }

  fromPaper() {
    this.isOnPaper = false;
    this.draw();
  }

  draw() {
    if (this.isOnPaper) return;
    const above = -this.root.getBoundingClientRect().top;
    this.#watchLeaps(above);
    const until = above + innerHeight + OVERSCAN;
    const lines = this.layout.lines;
    const wanted = new Map();
    for (let n = firstLineAt(lines, above - OVERSCAN); n < lines.length && lines[n].y < until; n++) {
      for (const item of lines[n].items) wanted.set(item.row ?? headingKey(item), item);
    }
    this.#keepFocused(wanted);
    for (const [key, made] of this.elements) {
      if (wanted.has(key)) continue;
      discard(made);
      this.elements.delete(key);
    }
    for (const [key, item] of wanted) this.#place(key, item);
  }

  /** While the scrollbar is dragged through thousands of rows, none of their pictures is fetched until it rests. */
  #watchLeaps(above) {
    this.isLeaping = Math.abs(above - this.above) > innerHeight;
    this.above = above;
    clearTimeout(this.resting);
    if (this.isLeaping) this.resting = setTimeout(() => this.draw(), REST_MS);
  }

  /** The focused card stays, wherever it is scrolled to: else the keyboard would lose its place. */
  #keepFocused(wanted) {
    const row = document.activeElement?.closest?.(".card")?.row;
    if (row && this.places.has(row)) wanted.set(row, this.places.get(row).item);
  }

  #place(key, item) {
    let made = this.elements.get(key);
    if (!made || made.bySeed !== Boolean(item.bySeed)) {
      if (made) discard(made);
      made = item.row ? card(item) : heading(item.group);
      this.elements.set(key, made);
      this.root.append(made);
    }
    made.style.transform = `translate(${item.x}px, ${item.y}px)`;
    made.style.width = `${item.width}px`;
    if (!item.row) {
      made.style.height = `${item.height}px`;
      made.firstChild.style.webkitLineClamp = item.rows;
      return;
    }
    const media = made.querySelector(".media");
    media.style.height = `${item.media}px`;
    if (!media.firstChild && !this.isLeaping) media.append(...pictureOf(item.row));
    made.setAttribute("aria-setsize", this.rows.length);
    made.setAttribute("aria-posinset", this.places.get(item.row).index + 1);
    made.firstChild.tabIndex = item.row === this.current ? 0 : -1;
  }

  /** Bring a row into sight and put the keyboard there. */
  focus(row) {
    const place = this.places.get(row);
    if (!place) return;
    this.current = row;
    const top = this.root.getBoundingClientRect().top + place.item.y;
    const covered = $("toolbar").offsetHeight + GAP;
    const bottom = top + place.item.height;
    if (top < covered) scrollBy(0, top - covered);
    else if (bottom > innerHeight) scrollBy(0, bottom - innerHeight + GAP);
    this.draw();
    this.elements.get(row)?.firstChild.focus({ preventScroll: true });
  }

  /** The row to which a key leads from another. */
  neighbour(row, key) {
    const at = this.places.get(row)?.index;
    if (at === undefined) return null;
    const to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: this.items.length - 1 }[key];
    if (to !== undefined) return this.items[to]?.row ?? null;
    return this.#beyond(this.items[at], key === "ArrowUp" ? -1 : 1);
  }

  #beyond(from, step) {
    const lines = this.layout.lines;
    const middle = from.x + from.width / 2;
    let n = firstLineAt(lines, from.y + 1) + step;
    while (lines[n] && !lines[n].items.some((item) => item.row)) n += step;
    const off = (item) => Math.abs(item.x + item.width / 2 - middle);
    return lines[n]?.items.reduce((best, item) => (off(item) < off(best) ? item : best)).row ?? null;
  }

  // -- what a person does

  #listen() {
    let asked = 0;
    const later = () => (asked ||= requestAnimationFrame(() => ((asked = 0), this.draw())));
    addEventListener("scroll", later, { passive: true });
    new ResizeObserver(() => this.root.clientWidth !== this.width && this.relay()).observe(this.root);
    addEventListener("resize", later);
    this.root.addEventListener("click", (event) => {
      const row = event.target.closest(".card")?.row;
      if (row) this.open(row);
    });
    this.root.addEventListener("focusin", (event) => {
      const row = event.target.closest(".card")?.row;
      if (row) this.#setCurrent(row);
    });
    this.root.addEventListener("pointerover", (event) => this.#hover(event));
    this.root.addEventListener("pointerleave", () => this.#stop());
    this.root.addEventListener("keydown", (event) => this.#key(event));
  }

  #setCurrent(row) {
    const before = this.elements.get(this.current);
    if (before) before.firstChild.tabIndex = -1;
    this.current = row;
    const now = this.elements.get(row);
    if (now) now.firstChild.tabIndex = 0;
  }

  #key(event) {
    if (!["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End"].includes(event.key)) return;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    const row = this.neighbour(event.target.closest(".card")?.row ?? this.current, event.key);
    if (row) this.focus(row);
  }

  /** A moment of rest over a card plays it; one at a time, and nothing is loaded before. */
  #hover(event) {
    const over = event.target.closest(".card");
    if (over === this.playing || event.pointerType !== "mouse" || this.calm.matches) return;
    this.#stop();
    this.playing = over;
    const source = over?.row?.videos[0];
    if (source) this.timer = setTimeout(() => this.#play(over, source), HOVER_MS);
  }

  #play(over, source) {
    this.video = loop(source);
    over.querySelector(".media").append(this.video);
    this.video.play().catch(() => this.#stop());
  }

  #stop() {
    clearTimeout(this.timer);
    this.playing = null;
    if (this.video) letGo(this.video);
    this.video = null;
  }
}

/** A silent film without an end, of which nothing is loaded until it plays. */
function loop(source) {
  const video = element("video", { preload: "none", playsinline: "", loop: "", tabindex: "-1" });
  video.muted = true;
  video.src = source;
  return video;
}

/** Take a film away, and with it its decoder and its connection. */
function letGo(video) {
  video.remove();
  video.removeAttribute("src");
  video.load();
}

function discard(made) {
  made.remove();
  made.querySelectorAll("video").forEach(letGo);
}

function card({ row, bySeed }) {
  const media = element("span", { class: "media" }); // its picture follows
  const first = bySeed
    ? element("span", { class: "line" }, row.seed === null ? "no seed" : `seed ${row.seed}`)
    : element("span", { class: "line", dir: "auto" }, shown(row.prompt.slice(0, SEEN)));
  const meta = element("span", { class: "meta" }, element("span", { class: "id" }, shown(row.id)), lastOf(row, bySeed));
  const button = element("button", { type: "button", tabindex: "-1" }, media, first, meta);
  const made = element("article", { class: `card is-${row.status}`, role: "listitem" }, button);
  made.row = row;
  made.bySeed = Boolean(bySeed);
  return made;
}

/** What stands at the right of a card's last line; of a long seed, a narrow card shows the number alone. */
function lastOf(row, bySeed) {
  if (row.videos.length > 1) return element("span", { class: "last" }, `${row.videos.length} videos`);
  if (bySeed || row.seed === null) return null;
  const isLong = row.seed.length > LONG_SEED;
  return element("span", { class: isLong ? "last long" : "last" }, element("span", { class: "word" }, "seed "), row.seed);
}

/** What stands in a card's box: the poster, else the video's own first frame, else words that say why there is none. */
function pictureOf(row) {
  const name = `A frame of ${shown(row.id)}`;
  const ways = [];
  if (row.poster) ways.push(() => element("img", { src: row.poster, alt: name, decoding: "async" }));
  if (row.videos[0]) {
    ways.push(() => element("video", { src: `${row.videos[0]}#t=0.1`, preload: "metadata", "aria-label": name, tabindex: "-1" }));
  }
  return ways.length ? firstOf(row, ways) : plain(row, whyNot(row));
}

/** The first of these that can be loaded: a page may have been copied without its posters, or without its videos. */
function firstOf(row, [way, ...others]) {
  if (!way) return plain(row, whyNot(row) || "It cannot be loaded from where this page looks for it.");
  const picture = way();
  picture.addEventListener("error", () => picture.replaceWith(...firstOf(row, others)), { once: true });
  return [picture];
}

function plain(row, otherwise) {
  const code = causeOf(row) && row.fail_code ? shown(row.fail_code) : WORDS[row.status];
  const status = element("span", { class: "status" }, element("span", {}, ...breakable(code)));
  const isTold = causeOf(row) || row.status === "rendered";
  const said = (isTold && row.fail_message) || otherwise;
  const words = said ? element("span", { class: "words", dir: "auto" }, shown(said)) : null;
  return [element("span", { class: "plain" }, status, words)];
}

/** Why there is nothing to see, where the status alone does not say it. */
function whyNot(row) {
  if (row.status === "in_doubt") {
    return `${row.isFree ? "The answer was lost" : "Perhaps paid for"}: batchgen resolve tells what is known.`;
  }
  if (row.status === "expired") {
    return `Made${row.isFree ? "" : " and paid for"}, but its link died before it was fetched.`;
  }
  return row.places.length && !row.videos[0] ? missing(row) : "";
}

function headingKey({ group }) {
  return `${group[0].index} ${group.length}`;
}

function heading(group) {
  const [first] = group;
  const settings = [first.resolution, first.duration && `${first.duration} s`, first.aspect_ratio].filter(Boolean);
  const made = element(
    "div",
    { class: "heading" },
    element("h2", { dir: "auto" }, shown(first.prompt.slice(0, SEEN))),
    element("p", {}, [...settings, `${group.length} seeds`].join(" · ")),
  );
  made.bySeed = false;
  return made;
}
