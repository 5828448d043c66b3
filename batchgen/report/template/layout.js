// Where each card stands: a wall of lines that are filled from edge to edge, or prompts with their seeds beside each
// other. A layout is a list of lines, each {y, height, items}, so that what is in sight is found by bisection.

const GAP = 14;
const CAPTION = 46;
const HEADING = 58;
const NARROWEST = 0.78; // width by height; slimmer videos stand within their box
const WIDEST = 2.4;

const ratioOf = (row) => Math.min(Math.max(row.ratio ?? 16 / 9, NARROWEST), WIDEST);

/** Lines of one height each, as wide as the wall; the last one is left ragged. */
function justified(rows, width, height, top = 0) {
  const lines = [];
  let y = top;
  let line = [];
  let ratios = 0;
  const close = (tall) => {
    let x = 0;
    const items = line.map((row) => {
      const item = { row, x, y, width: Math.min(ratioOf(row) * tall, width), media: tall };
      x += item.width + GAP;
      return item;
    });
    lines.push({ y, height: tall + CAPTION, items });
    y += tall + CAPTION + GAP;
    line = [];
    ratios = 0;
  };
  for (const row of rows) {
    line.push(row);
    ratios += ratioOf(row);
    const tall = (width - GAP * (line.length - 1)) / ratios;
    if (tall <= height) close(tall);
  }
  if (line.length) close(Math.min(height, (width - GAP * (line.length - 1)) / ratios));
  return { lines, end: y };
}

/** Rows that differ in nothing but their seed, in the order of the sheet. */
function groupsOf(rows) {
  const groups = new Map();
  for (const row of rows) {
    const same = [row.prompt, row.negative_prompt, row.resolution, row.duration, row.aspect_ratio, row.mode];
    const key = JSON.stringify([...same, row.provider, row.expansion, row.model, row.images]);
    groups.get(key)?.push(row) ?? groups.set(key, [row]);
  }
  return [...groups.values()];
}

/** Whether a sheet is a grid: how many of its rows have a sibling with another seed. */
function siblings(rows) {
  return groupsOf(rows)
    .filter((group) => group.length > 1)
    .reduce((sum, group) => sum + group.length, 0);
}

/** A heading for each prompt, its seeds below; prompts alone stand together in lines of a wall. */
function grid(rows, width, height) {
  const groups = groupsOf(rows);
  const several = groups.filter((group) => group.length > 1);
  const seeds = [...new Set(several.flat().map((row) => row.seed))].sort((a, b) => inOrder(a ?? "", b ?? ""));
  const lines = [];
  let y = 0;
  let alone = [];
  const flush = () => {
    if (!alone.length) return;
    const laid = justified(alone, width, height, y);
    lines.push(...laid.lines);
    y = laid.end + GAP;
    alone = [];
  };
  for (const group of groups) {
    if (group.length === 1) {
      alone.push(group[0]);
      continue;
    }
    flush();
    lines.push({ y, height: HEADING, items: [{ group, x: 0, y, width, media: 0 }] });
    const laid = cells(group, seeds, width, height, y + HEADING);
    lines.push(...laid.lines);
    y = laid.end + GAP;
  }
  flush();
  return { lines, end: y };
}

/** One prompt's videos. Where all seeds of the sheet fit beside each other, a seed has its column. */
function cells(group, seeds, width, height, top) {
  const ratio = ratioOf(group[0]);
  const fits = (count) => (width - GAP * (count - 1)) / count;
  const wanted = Math.min(ratio * height, width);
  const aligned = fits(seeds.length) >= Math.min(wanted, 120);
  const count = aligned ? seeds.length : Math.max(2, Math.floor((width + GAP) / (wanted + GAP)));
  const wide = aligned ? Math.min(wanted, fits(count)) : fits(count);
  const tall = wide / ratio;
  const lines = new Map();
  group.forEach((row, index) => {
    const column = aligned ? seeds.indexOf(row.seed) : index % count;
    const line = aligned ? 0 : Math.floor(index / count);
    const y = top + line * (tall + CAPTION + GAP);
    if (!lines.has(line)) lines.set(line, { y, height: tall + CAPTION, items: [] });
    lines.get(line).items.push({ row, x: column * (wide + GAP), y, width: wide, media: tall, bySeed: true });
  });
  return { lines: [...lines.values()], end: top + lines.size * (tall + CAPTION + GAP) };
}

/** The first line that ends below `y`. */
function firstLineAt(lines, y) {
  let low = 0;
  let high = lines.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (lines[middle].y + lines[middle].height < y) low = middle + 1;
    else high = middle;
  }
  return low;
}
