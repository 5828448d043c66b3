// The opened view: one video as large as the window allows, and all that is known of it.

const SCROLL = 80; // pixels
const LONG = 700; // letters of a prompt that is scrolled on its own

class Viewer {
  constructor(dialog, columns, closed) {
    this.dialog = dialog;
    this.columns = columns;
    this.row = null;
    this.list = [];
    this.muted = true;
    dialog.addEventListener("close", () => {
      this.#release();
      const row = this.row;
      this.row = null;
      closed(row);
    });
    dialog.addEventListener("keydown", (event) => this.#key(event));
  }

  open(row, list) {
    this.list = list;
    this.#show(row);
    if (!this.dialog.open) this.dialog.showModal();
    this.dialog.querySelector(".stage").focus();
  }

  /** There is news. What plays goes on playing; what has changed is told anew. */
  renew(list) {
    this.list = list;
    if (!this.row) return;
    const now = list.find((row) => row.index === this.row.index);
    if (!now || now === this.row) return;
    if (now.videos[0] !== this.row.videos[0]) this.#show(now);
    else this.#tell(now);
  }

  step(by) {
    const at = this.list.indexOf(this.row) + by;
    if (this.list[at]) this.#show(this.list[at]);
  }

  #show(row) {
    this.#release();
    this.part = 0;
    this.stage = element("div", { class: `stage is-${row.status}`, tabindex: "-1" }, this.#picture(row, 0));
    this.dialog.style.setProperty("--ratio", row.ratio ?? 16 / 9);
    this.panel = element("div", { class: "panel" });
    this.dialog.replaceChildren(this.stage, this.panel, ...this.#buttons(row));
    this.#tell(row);
    this.stage.focus();
  }

  #tell(row) {
    this.row = row;
    this.panel.replaceChildren(...this.#about(row));
  }

  #picture(row, part) {
    const source = row.videos[part];
    if (!source) return element("div", { class: "still" }, ...pictureOf(row));
    const video = element("video", { controls: "", loop: "", playsinline: "", preload: "none", tabindex: "-1" });
    video.muted = this.muted;
    if (part === 0 && row.poster) video.poster = row.poster;
    video.src = source;
    video.addEventListener("volumechange", () => (this.muted = video.muted));
    video.addEventListener("error", () => video.isConnected && video.replaceWith(this.#lost(row, part)));
    video.play().catch(() => {}); // not allowed, or no longer wanted: the controls are there
    this.video = video;
    return video;
  }

  /** A page is often sent alone, or moved without its videos. */
  #lost(row, part) {
    const place = row.places[part];
    const words = place.startsWith("s3://")
      ? "S3 does not give the video now."
      : `The video is not where this page looks for it, ${shown(place)}, or is damaged. Send or move a page together with its videos.`;
    const poster = part === 0 && row.poster ? element("img", { src: row.poster, alt: "" }) : null;
    return element("div", { class: "still lost" }, ...[poster, element("p", { role: "alert" }, words)].filter(Boolean));
  }

  #buttons(row) {
    const at = this.list.indexOf(row);
    const button = (name, text, act, off) => {
      const made = element("button", { type: "button", class: name, "aria-label": text[1], disabled: off ? "" : null }, text[0]);
      made.addEventListener("click", act);
      return made;
    };
    return [
      button("before", ["‹", "The video before"], () => this.step(-1), at <= 0),
      button("after", ["›", "The video after"], () => this.step(1), at >= this.list.length - 1),
      button("close", ["×", "Close"], () => this.dialog.close(), false),
    ];
  }

  #about(row) {
    const at = this.list.indexOf(row) + 1;
    const head = element(
      "header",
      {},
      element("p", { class: "place" }, `${number.format(at)} of ${number.format(this.list.length)}`),
      element("h2", {}, element("code", {}, shown(row.id)), copyButton(row.id)),
      element("p", { class: `badge is-${row.status}` }, WORDS[row.status]),
    );
    const parts = row.videos.length > 1 ? this.#parts(row) : null;
    return [head, troubleOf(row), promptOf(row), parts, ...factsOf(row, this.columns).map(factList), filesOf(row)].filter(Boolean);
  }

  /** A task that gave several videos. */
  #parts(row) {
    const press = (shownPart) => buttons.forEach((button, part) => button.setAttribute("aria-pressed", part === shownPart));
    const buttons = row.videos.map((_, part) => {
      const button = element("button", { type: "button" }, `Video ${part + 1}`);
      button.addEventListener("click", () => {
        this.#release();
        this.stage.replaceChildren(this.#picture(row, part));
        press(part);
      });
      return button;
    });
    press(0);
    return element("p", { class: "switch parts" }, ...buttons);
  }

  #release() {
    if (!this.video) return;
    letGo(this.video);
    this.video = null;
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const act = {
      ArrowLeft: () => this.step(-1),
      ArrowRight: () => this.step(1),
      ArrowUp: () => this.panel.scrollBy(0, -SCROLL),
      ArrowDown: () => this.panel.scrollBy(0, SCROLL),
      " ": () => this.#toggle(),
      f: () => (document.fullscreenElement ? document.exitFullscreen() : this.stage.requestFullscreen?.()),
      m: () => this.video && (this.video.muted = !this.video.muted),
      c: () => copy(this.row.id),
    }[event.key];
    const own = { " ": "button, a", ArrowUp: ".prompt[tabindex]", ArrowDown: ".prompt[tabindex]" }[event.key];
    if (!act || (own && event.target.closest(own))) return; // the key is for where the keyboard is
    event.preventDefault();
    event.stopPropagation();
    act();
  }

  #toggle() {
    if (this.video?.paused) this.video.play().catch(() => {});
    else this.video?.pause();
  }
}

function promptOf(row) {
  const long = row.prompt.length > LONG ? { tabindex: "0", role: "group", "aria-label": "Prompt" } : {};
  const text = element("p", { class: "prompt", dir: "auto", ...long }, shown(row.prompt));
  return element("section", {}, element("h3", {}, "Prompt", copyButton(row.prompt)), text);
}

/** The failure, in the service's own words. */
function troubleOf(row) {
  if (!row.fail_code && !row.fail_message) return null;
  return element(
    "section",
    { class: "trouble" },
    row.fail_code ? element("strong", {}, shown(row.fail_code)) : null,
    row.fail_message ? element("p", { dir: "auto" }, shown(row.fail_message)) : null,
  );
}
