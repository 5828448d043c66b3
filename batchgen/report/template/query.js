// Which rows are shown, and in which order.

const FACETS = [
  ["resolution", "Resolution"],
  ["duration", "Length"],
  ["aspect_ratio", "Aspect"],
  ["mode", "Mode"],
  ["provider", "Provider"],
  ["model", "Model"],
];
const MOST_VALUES = 40; // of a column that is offered as a filter; others can be searched

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

/** What can be asked of a row by name: `name:value`. */
function askable(columns) {
  const by = Object.assign(Object.create(null), {
    id: (row) => row.id,
    row: (row) => String(row.number),
    seed: (row) => row.seed ?? "",
    prompt: (row) => row.prompt,
    status: (row) => `${row.status} ${WORDS[row.status]}`,
    resolution: (row) => row.resolution ?? "",
    length: (row) => String(row.duration ?? ""),
    aspect: (row) => row.aspect_ratio ?? "",
    mode: (row) => row.mode,
    provider: (row) => row.provider ?? "",
    negative: (row) => row.negative_prompt ?? "",
    cause: (row) => causeOf(row).replaceAll('"', ""),
    task: (row) => row.task_id ?? "",
    file: (row) => row.places.join(" "),
  });
  columns.forEach((name, index) => (by[name.toLowerCase()] ??= (row) => row.extras[index]));
  return by;
}

/** A search as tests that a row must pass, all of them. */
function parse(query, by) {
  const tests = [];
  const word = /(-)?(?:(?:([^\s:"]+)|"([^"]+)"):)?(?:"([^"]*)"?|(\S+))/g;
  for (const [whole, minus, oneWord, words, quoted, bare] of query.toLowerCase().matchAll(word)) {
    const name = oneWord ?? words;
    const field = name && by[name];
    const value = quoted ?? bare;
    const text = field || !name ? value : minus ? whole.slice(1) : whole;
    const has = field ? (row) => holds(field(row).toLowerCase(), text, name) : (row) => textOf(row).includes(text);
    tests.push(minus ? (row) => !has(row) : has);
  }
  return tests;
}

function holds(text, value, name) {
  return name === "seed" || name === "row" || name === "cause" ? text === value : text.includes(value);
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

/** The rows that a person asked for. */
function select(rows, choice, facets, by) {
  const tests = parse(choice.query, by);
  if (choice.statuses.size) tests.push((row) => choice.statuses.has(row.status));
  for (const facet of facets) {
    const value = choice.facets.get(facet.name);
    if (value !== undefined) tests.push((row) => facet.of(row) === value);
  }
  const found = rows.filter((row) => tests.every((test) => test(row)));
  const order = SORTS[choice.sort]?.[1];
  return order ? found.sort(order) : found;
}
