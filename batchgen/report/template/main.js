// The page: its data, what ties the parts together, the keys, and the news of a batch that runs.

const EVERY_MS = 2000;

const state = { rows: [], columns: [], shown: [] };
const toolbar = new Toolbar(() => refresh());
const wall = new Wall($("wall"), (row) => viewer.open(row, state.shown));
const viewer = new Viewer($("viewer"), state.columns, (row) => row && wall.focus(row));

/** Take in the program's data. A row that has not changed stays the same object, and its card as it is. */
function take(data) {
  const before = state.rows;
  state.rows = data.rows.map((values, index) => {
    const raw = data.live === false ? null : JSON.stringify(values); // of no use where no news will come
    if (raw && before[index]?.raw === raw) return before[index];
    const row = Object.fromEntries(data.fields.map((name, place) => [name, values[place]]));
    return Object.assign(row, { index, raw, isFree: data.isFree });
  });
  state.columns.splice(0, Infinity, ...data.columns);
  $("made").textContent = `As of ${moment(data.madeAt)}`;
  toolbar.offer(state.rows, state.columns);
  refresh();
}

/** Prepare the search while nothing else is to do: else its first letter would take a while. */
function prepare(rows, at = 0) {
  window.requestIdleCallback?.((idle) => {
    while (at < rows.length && idle.timeRemaining() > 2) textOf(rows[at++]);
    if (at < rows.length) prepare(rows, at);
  });
}

function refresh() {
  const { choice, facets, by } = toolbar;
  const { found, unknown } = select(state.rows, choice, facets, by);
  const isGrid = choice.view === "grid" && !$("views").hidden;
  const arrange = isGrid ? grid : justified;
  wall.show(found, (rows, width) => arrange(rows, width, toolbar.height));
  state.shown = (wall.items ?? []).map((item) => item.row);
  viewer.renew(state.shown);
  const all = state.rows.length;
  $("count").textContent = found.length === all ? `${number.format(all)} ${all === 1 ? "row" : "rows"}` : `${number.format(found.length)} of ${number.format(all)}`;
  const names = unknown.map((name) => `“${name}”`).join(", ");
  $("unknown").hidden = unknown.length === 0;
  $("unknown").textContent = names && shown(`There is no column ${names} here: looked for as words.`);
  $("empty").hidden = found.length > 0 || all === 0;
  $("none").hidden = all > 0;
}

// -- keys, where no field or dialog has them

const KEYS = {
  "/": () => ($("search").focus(), $("search").select()),
  "?": () => $("help").showModal(),
  "+": () => toolbar.resize(1),
  "=": () => toolbar.resize(1),
  "-": () => toolbar.resize(-1),
  g: () => toolbar.look(toolbar.choice.view === "grid" ? "wall" : "grid"),
  c: () => document.activeElement?.closest(".card") && copy(document.activeElement.closest(".card").row.id),
};

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  const isTyping = event.target.closest?.("input, select, textarea");
  if (event.target === $("search") && ["Escape", "ArrowDown", "Enter"].includes(event.key)) {
    event.preventDefault();
    if (event.key === "Escape" && toolbar.choice.query) toolbar.find("");
    else wall.focus(wall.current);
  } else if (!isTyping && event.key === "Escape" && toolbar.choice.query) {
    toolbar.find("");
  } else if (!isTyping && KEYS[event.key]) {
    event.preventDefault();
    KEYS[event.key]();
  } else if (!isTyping && event.target === document.body && event.key.startsWith("Arrow") && scrollY === 0) {
    event.preventDefault();
    wall.focus(wall.current);
  }
});

$("ask").addEventListener("click", () => $("help").showModal());
$("head").addEventListener("click", (event) => {
  const query = event.target.closest("[data-find]")?.dataset.find;
  if (!query) return;
  toolbar.find(query);
  $("toolbar").scrollIntoView({ block: "start" });
});

function showPlots(on) {
  document.body.classList.toggle("without-plots", !on);
  $("plots").setAttribute("aria-pressed", String(on));
  wall.draw();
}
$("plots").addEventListener("click", () => showPlots(document.body.classList.contains("without-plots")));

// A link to a choice of this page, followed where the page is open already. That to the wall is no such choice.
addEventListener("hashchange", () => {
  if (location.hash === "#wall") return;
  toolbar.read();
  toolbar.offer(state.rows, state.columns);
  refresh();
});

addEventListener("beforeprint", () => wall.toPaper());
addEventListener("afterprint", () => wall.fromPaper());

// -- a page that is served asks for news

async function follow(etag = "") {
  if (!document.hidden) {
    try {
      const answer = await fetch("data.json", { headers: etag ? { "If-None-Match": etag } : {}, cache: "no-store" });
      if (answer.status === 200) {
        const data = await answer.json();
        etag = answer.headers.get("ETag") ?? "";
        $("head").replaceChildren(build(data.head));
        take(data);
        say(data.running ? "running" : "at rest");
      } else if (answer.status !== 304) throw new Error(answer.status);
    } catch {
      say("gone");
    }
  }
  setTimeout(() => follow(etag), EVERY_MS);
}

function say(how) {
  const words = { running: "Live: a run is at work", "at rest": "Live: no run is at work", gone: "The server has stopped" };
  $("live").hidden = false;
  $("live").dataset.how = how;
  if ($("live").textContent !== words[how]) $("live").textContent = words[how];
}

const data = JSON.parse($("data").textContent);
$("data").remove(); // its text would be kept for as long as the page
showPlots(innerWidth >= 640);
take(data);
prepare(state.rows);
if (data.live) {
  say(data.running ? "running" : "at rest");
  follow();
}
