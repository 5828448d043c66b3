// What the opened view tells of a row.

/** The groups of facts: [title, [[name, value, how]]]; what is not known is left out. */
function factsOf(row, columns) {
  const groups = [
    ["Settings", settingsOf(row)],
    ["From the sheet", columns.map((name, index) => [name, row.extras[index]])],
    ["Times", timesOf(row)],
    ["Task", taskOf(row)],
  ];
  return groups
    .map(([title, facts]) => [title, facts.filter(([, value]) => value !== null && value !== undefined && value !== "")])
    .filter(([, facts]) => facts.length);
}

function settingsOf(row) {
  return [
    ["Seed", row.seed, "copy"],
    ["Resolution", row.resolution],
    ["Duration", row.duration ? `${row.duration} s` : null],
    ["Aspect", row.aspect_ratio],
    ["Mode", row.mode],
    ["Provider", row.provider],
    ["Negative prompt", row.negative_prompt],
    ["Prompt expansion", row.expansion === null ? null : row.expansion ? "yes" : "no"],
    ...row.images.map((url) => ["Image", url, "link"]),
  ];
}

function timesOf(row) {
  const kept = row.archived_at && row.completed_at ? row.archived_at - row.completed_at : -1;
  return [
    ["Submitted", row.submitted_at && moment(row.submitted_at)],
    ["Generated", row.completed_at && moment(row.completed_at)],
    ["Archived", row.archived_at && moment(row.archived_at)],
    ["Generation", row.generation !== null ? period(row.generation) : null],
    ["Until archived", kept >= 0 ? period(kept) : null],
  ];
}

function taskOf(row) {
  const shared = row.shared > 1 ? `, shared by ${row.shared} rows` : "";
  return [
    ["Task", row.task_id, "copy"],
    ["Cost", row.cost === null ? null : `$${row.cost.toFixed(2)} by the list${shared}`],
    ["Shared", row.cost === null && shared ? `by ${row.shared} rows` : null],
    ["Attempts", row.attempts > 1 ? String(row.attempts) : null],
    ["Row", String(row.number)],
    ["Size", row.bytes ? size(row.bytes) : null],
  ];
}

function factList([title, facts]) {
  const lines = facts.map(([name, value, how]) =>
    element("div", {}, element("dt", {}, shown(name)), element("dd", { dir: "auto" }, ...valueOf(value, how))),
  );
  return element("section", {}, element("h3", {}, title), element("dl", {}, ...lines));
}

function valueOf(value, how) {
  if (how === "copy") return [element("code", {}, shown(value)), copyButton(value)];
  if (how === "link" && /^https:\/\//i.test(value)) return [outward(value, value)];
  return [shown(value)];
}

function outward(address, text) {
  return element("a", { href: address, rel: "noreferrer noopener", target: "_blank" }, shown(text));
}

function copyButton(value, label = "Copy") {
  const button = element("button", { type: "button", class: "copy" }, label);
  button.addEventListener("click", async () => {
    await copy(value);
    button.textContent = "Copied";
    setTimeout(() => (button.textContent = label), 1200);
  });
  return button;
}

/** The files: a link where there is one, else the place, and how to see it. */
function filesOf(row) {
  if (!row.places.length) return null;
  const lines = row.places.map((place, part) => {
    const address = row.videos[part];
    const shownAs = address ? outward(address, place) : element("code", {}, shown(place));
    return element("li", {}, shownAs, copyButton(place));
  });
  const hint = row.videos.every((address) => address) ? null : element("p", { class: "hint" }, missing(row));
  return element("section", {}, element("h3", {}, "File"), element("ul", { class: "files" }, ...lines), hint);
}

function missing(row) {
  return row.places[0].startsWith("s3://")
    ? "It is in S3: batchgen report --serve shows it."
    : "It is not where it was archived.";
}
