// The search, the filters and the layout: what a person chose, kept in the page's address so that it can be sent on.

const SIZES = [110, 140, 180, 230, 300, 400];
const ORDER = ["archived", "failed", "expired", "in_doubt", "in_flight", "rendered", "submitting", "pending"];

class Toolbar {
  constructor(changed) {
    this.changed = changed;
    this.read();
    this.#listen();
  }

  /** Offer what these rows can be told apart by. */
  offer(rows, columns) {
    this.facets = facetsOf(rows, columns);
    this.by = askable(columns);
    const known = new Set(this.facets.map((facet) => facet.name));
    for (const name of this.choice.facets.keys()) if (!known.has(name)) this.choice.facets.delete(name);
    this.#chips(rows);
    const selects = this.facets.map((facet) => this.#facet(facet));
    if (!$("filters").contains(document.activeElement)) $("filters").replaceChildren(...selects, this.#sorts());
    const paired = siblings(rows);
    $("views").hidden = paired === 0;
    this.choice.view ??= paired >= rows.length / 2 && paired > 0 ? "grid" : "wall";
    $("search").value = this.choice.query;
    this.#press();
  }

  find(query) {
    this.choice.query = query;
    this.choice.statuses.clear();
    $("search").value = query;
    this.#told();
  }

  clear() {
    Object.assign(this.choice, { query: "", statuses: new Set(), facets: new Map() });
    $("search").value = "";
    for (const field of $("filters").querySelectorAll("select[data-facet]")) field.value = "";
    this.#told();
  }

  resize(by) {
    this.choice.size = Math.min(Math.max(this.choice.size + by, 0), SIZES.length - 1);
    this.#told();
  }

  look(view) {
    if ($("views").hidden) return;
    this.choice.view = view;
    this.#told();
  }

  get height() {
    return SIZES[this.choice.size] * (innerWidth < 640 ? 0.85 : 1);
  }

  // -- its parts

  #chips(rows) {
    const counts = new Map();
    for (const row of rows) counts.set(row.status, (counts.get(row.status) ?? 0) + 1);
    const chips = ORDER.filter((status) => counts.has(status)).map((status) => {
      const name = element("span", {}, WORDS[status]);
      const count = element("b", {}, number.format(counts.get(status)));
      return element("button", { type: "button", class: `chip is-${status}`, "data-status": status }, name, count);
    });
    const focused = document.activeElement?.dataset?.status;
    $("statuses").replaceChildren(...chips);
    if (focused) chips.find((chip) => chip.dataset.status === focused)?.focus();
  }

  #facet({ name, label, values }) {
    const options = values.map((value) => element("option", { value: `=${value}` }, shown(value) || "(none)"));
    const field = element("select", { "data-facet": name }, element("option", { value: "" }, "all"), ...options);
    const chosen = this.choice.facets.get(name);
    field.value = chosen === undefined ? "" : `=${chosen}`;
    return element("label", {}, element("span", {}, shown(label)), field);
  }

  #sorts() {
    const options = Object.entries(SORTS).map(([name, [words]]) => element("option", { value: name }, words));
    const field = element("select", { "data-sort": "" }, ...options);
    field.value = this.choice.sort;
    return element("label", {}, element("span", {}, "Order"), field);
  }

  #press() {
    const { facets, sort } = this.choice;
    const narrowed = facets.size + (sort === "sheet" ? 0 : 1);
    $("more").textContent = narrowed ? `Filters (${narrowed})` : "Filters";
    const press = (button, on) => button.setAttribute("aria-pressed", String(on));
    for (const chip of $("statuses").children) press(chip, this.choice.statuses.has(chip.dataset.status));
    for (const button of $("views").children) press(button, button.dataset.view === this.choice.view);
    $("smaller").disabled = this.choice.size === 0;
    $("larger").disabled = this.choice.size === SIZES.length - 1;
  }

  #told() {
    this.#press();
    this.#write();
    this.changed();
  }

  // -- what a person does

  #listen() {
    $("search").addEventListener("input", () => {
      this.choice.query = $("search").value;
      this.#told();
    });
    $("statuses").addEventListener("click", (event) => {
      const status = event.target.closest("button")?.dataset.status;
      if (!status) return;
      if (!this.choice.statuses.delete(status)) this.choice.statuses.add(status);
      this.#told();
    });
    $("filters").addEventListener("change", ({ target }) => {
      if (target.dataset.facet === undefined) this.choice.sort = target.value;
      else if (target.value) this.choice.facets.set(target.dataset.facet, target.value.slice(1));
      else this.choice.facets.delete(target.dataset.facet);
      this.#told();
    });
    $("views").addEventListener("click", ({ target }) => target.dataset.view && this.look(target.dataset.view));
    $("smaller").addEventListener("click", () => this.resize(-1));
    $("larger").addEventListener("click", () => this.resize(1));
    $("clear").addEventListener("click", () => this.clear());
    $("more").addEventListener("click", () => {
      const open = $("filters").classList.toggle("open");
      $("more").setAttribute("aria-expanded", String(open));
    });
  }

  // -- the page's address

  #write() {
    const { query, statuses, facets, sort, view, size } = this.choice;
    const said = new URLSearchParams();
    if (query) said.set("q", query);
    if (statuses.size) said.set("status", [...statuses].join(" "));
    if (sort !== "sheet") said.set("sort", sort);
    if (!$("views").hidden) said.set("view", view);
    if (size !== 2) said.set("size", size);
    for (const [name, value] of facets) said.append("is", JSON.stringify([name, value]));
    try {
      history.replaceState(null, "", `#${said}`);
    } catch {} // Safari allows a hundred in half a minute
  }

  /** Choose what the address says; `offer` shows it. */
  read() {
    this.choice = { query: "", statuses: new Set(), facets: new Map(), sort: "sheet", view: null, size: 2 };
    try {
      const said = new URLSearchParams(location.hash.slice(1));
      this.choice.query = said.get("q") ?? "";
      this.choice.statuses = new Set((said.get("status") ?? "").split(" ").filter((name) => name in WORDS));
      if (Object.hasOwn(SORTS, said.get("sort") ?? "")) this.choice.sort = said.get("sort");
      if (["wall", "grid"].includes(said.get("view"))) this.choice.view = said.get("view");
      if (said.get("size") in SIZES) this.choice.size = Number(said.get("size"));
      this.choice.facets = new Map(said.getAll("is").map((pair) => JSON.parse(pair)));
    } catch {
      history.replaceState(null, "", "#"); // somebody mangled the address
    }
  }
}
