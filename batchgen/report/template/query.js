// Which rows are shown, and in which order.

const FACETS = [
  ["resolution", "Resolution"],
  ["duration", "Duration"],
  ["aspect_ratio", "Aspect"],
  ["mode", "Mode"],
  ["provider", "Provider"],
  ["model", "Model"],
];
const MOST_VALUES = 40; // of a column that is offered as a filter; others can be searched

// Other names, most of them the page's own labels. A column of the sheet that is called so goes first.
const LABELS = {
  length: "duration",
  aspect: "aspect_ratio",
  negative: "negative_prompt",
  task: "task_id",
  file: "video",
};
const OF_THAT_NAME = // columns of results.csv that the page's data calls so too
  "id prompt seed model mode resolution duration aspect_ratio provider negative_prompt task_id fail_code fail_message " +
  "attempts bytes";
const WHOLE = new Set(["seed", "row", "cause", "duration", "length", "attempts", "bytes"]); // 1 is not a part of 10
const LIKE_A_NAME = /^[\p{L}_]/u; // 9:16 is none

const SORTS = {
  sheet: ["In the sheet's order", null],
  newest: ["Newest first", (a, b) => (b.archived_at ?? 0) - (a.archived_at ?? 0)],
  slowest: ["Slowest first", (a, b) => (b.generation ?? -1) - (a.generation ?? -1)],
  troubles: ["Troubles first", (a, b) => rank(a) - rank(b)],
};

function rank(row) {
  const order = ["failed", "expired", "in_doubt", "rendered", "in_flight", "submitting", "pending", "archived"];
  return order.indexOf(row.status);
}

/** Why a row has no video and will get none, as the program names it. */
function causeOf(row) {
  if (row.status === "failed") return row.fail_code || "without a code";
  return { expired: "link expired", in_doubt: "in doubt" }[row.status] ?? "";
}

/** What can be asked of a row by name, `name:value`: the columns of results.csv, the sheet's own, and the page's words. */
function askable(columns) {
  const by = Object.assign(Object.create(null), {
    row: (row) => row.number,
    status: (row) => `${row.status} ${WORDS[row.status]}`,
    video: (row) => row.places.join(" "),
    image_urls: (row) => row.images.join(" "),
    enable_prompt_expansion: (row) => row.expansion,
    cost_usd: (row) => row.cost,
    submitted_at: (row) => zulu(row.submitted_at),
    completed_at: (row) => zulu(row.completed_at),
    generation_seconds: (row) => row.generation,
    cause: (row) => causeOf(row).replaceAll('"', ""),
  });
  for (const name of OF_THAT_NAME.split(" ")) by[name] = (row) => row[name];
  for (const [index, name] of headings(columns, by).entries()) by[name] = (row) => row.extras[index];
  for (const [name, column] of Object.entries(LABELS)) by[name] ??= by[column];
  return by;
}

/** The sheet's own columns as results.csv calls them: one that is called as one of ours is told apart from it. */
function headings(columns, ours) {
  const taken = new Set(Object.keys(ours));
  return columns.map((column) => {
    let name = column.toLowerCase();
    while (taken.has(name)) name = `manifest_${name}`;
    taken.add(name);
    return name;
  });
}

/** A search as tests that a row must pass, all of them, and the names in it that are no column. */
function parse(query, by) {
  const tests = [];
  const unknown = new Set();
  const word = /(-)?(?:(?:([^\s:"]+)|"([^"]+)"):)?(?:"([^"]*)"?|(\S+))/g;
  for (const [whole, minus, oneWord, words, quoted, bare] of query.toLowerCase().matchAll(word)) {
    const name = oneWord ?? words;
    const field = name && by[name];
    const value = quoted ?? bare;
    if (name && !field && LIKE_A_NAME.test(name) && !value.startsWith("//")) unknown.add(name);
    const text = field || !name ? value : minus ? whole.slice(1) : whole;
    const has = field ? (row) => holds(field(row), text, name) : (row) => textOf(row).includes(text);
    tests.push(minus ? (row) => !has(row) : has);
  }
  return { tests, unknown: [...unknown] };
}

function holds(cell, value, name) {
  const text = String(cell ?? "").toLowerCase();
  return WHOLE.has(name) ? text === value : text.includes(value);
}

/** All that a plain word is looked for in; made when it is first needed. */
function textOf(row) {
  return (row.text ??= [
    row.id,
    row.prompt,
    row.seed,
    row.negative_prompt,
    row.fail_code,
    row.fail_message,
    row.task_id,
    ...row.extras,
    ...row.places,
  ]
    .filter(Boolean)
    .join("\n")
    .toLowerCase());
}

/** The filters that this batch has a use for: [{name, label, of(row), values}]. */
function facetsOf(rows, columns) {
  const all = FACETS.map(([name, label]) => ({ name, label, of: (row) => String(row[name] ?? "") }));
  columns.forEach((label, index) => all.push({ name: `column ${label}`, label, of: (row) => row.extras[index] }));
  return all
    .map((facet) => ({ ...facet, values: valuesOf(rows, facet.of) }))
    .filter(({ values }) => values.length > 1 && values.length <= MOST_VALUES);
}

/** The values that occur, in order; of very many, no more than show that they are. */
function valuesOf(rows, of) {
  const values = new Set();
  for (const row of rows) {
    values.add(of(row));
    if (values.size > MOST_VALUES) break;
  }
  return [...values].sort(inOrder);
}

const collator = new Intl.Collator("en", { numeric: true });
const inOrder = (a, b) => collator.compare(a, b);

/** The rows that a person asked for, and the names in the search that are no column. */
function select(rows, choice, facets, by) {
  const { tests, unknown } = parse(choice.query, by);
  if (choice.statuses.size) tests.push((row) => choice.statuses.has(row.status));
  for (const facet of facets) {
    const value = choice.facets.get(facet.name);
    if (value !== undefined) tests.push((row) => facet.of(row) === value);
  }
  const found = rows.filter((row) => tests.every((test) => test(row)));
  const order = SORTS[choice.sort]?.[1];
  return { found: order ? found.sort(order) : found, unknown };
}
