// Where each card stands: a wall of lines that are filled from edge to edge, or prompts with their seeds beside each
// other. A layout is a list of lines, each {y, height, items}, so that what is in sight is found by bisection.

const GAP = 14;
const BETWEEN = 40; // two prompts of a grid
const CAPTION = 64; // below a card of the wall: two lines of its prompt, one of its id
const SEED_CAPTION = 44; // below a card of the grid
const HEADING_LINE = 20;
const HEADING_REST = 34; // its settings, and the room above and below
const LETTER = 8.2; // pixels of a heading's letter, on average
const SLIMMEST = 9 / 16; // width by height; what is slimmer stands within its box
const WIDEST = 2.4;
const WORDY = 1.25; // a box that holds words, not a picture

const ratioOf = (row) => Math.min(Math.max(row.ratio ?? 16 / 9, SLIMMEST), WIDEST);
const boxOf = (row) => (row.poster || row.videos[0] ? ratioOf(row) : Math.max(ratioOf(row), WORDY));

/** Lines of one height each, as wide as the wall; the last one is left ragged. */
function justified(rows, width, height, top = 0) {
  const lines = [];
  let y = top;
  let line = [];
  let ratios = 0;
  let usual = height;
  const close = (tall) => {
    let x = 0;
    const items = line.map((row) => {
      const item = { row, x, y, width: Math.min(boxOf(row) * tall, width), media: tall, height: tall + CAPTION };
      x += item.width + GAP;
      return item;
    });
    lines.push({ y, height: tall + CAPTION, items });
    y += tall + CAPTION + GAP;
    usual = tall;
    line = [];
    ratios = 0;
  };
  for (const row of rows) {
    line.push(row);
    ratios += boxOf(row);
    const tall = (width - GAP * (line.length - 1)) / ratios;
    if (tall <= height) close(tall);
  }
  if (line.length) close(Math.min(usual, (width - GAP * (line.length - 1)) / ratios));
  return { lines, end: y };
}

/** Rows that differ in nothing but their seed, in the order of the sheet. */
function groupsOf(rows) {
  const groups = new Map();
  for (const row of rows) {
    const group = groups.get((row.kind ??= kindOf(row)));
    if (group) group.push(row);
    else groups.set(row.kind, [row]);
  }
  return [...groups.values()];
}

function kindOf(row) {
  const same = [row.prompt, row.negative_prompt, row.resolution, row.duration, row.aspect_ratio, row.mode];
  return JSON.stringify([...same, row.provider, row.expansion, row.model, row.images]);
}

/** Whether a sheet is a grid: how many of its rows have a sibling with another seed. */
function siblings(rows) {
  return groupsOf(rows)
    .filter((group) => group.length > 1)
    .reduce((sum, group) => sum + group.length, 0);
}

/** Prompts with their seeds, as many of one shape on a line as there is room for; those without siblings as a wall. */
function grid(rows, width, height) {
  const groups = groupsOf(rows);
  const seeds = sharedSeeds(groups.filter((group) => group.length > 1));
  const lines = [];
  let y = 0;
  let alone = [];
  let blocks = [];
  let x = 0;
  const flush = () => {
    const laid = alone.length ? justified(alone, width, height, y) : placed(blocks, y);
    if (laid.lines.length) y = laid.end + GAP;
    lines.push(...laid.lines);
    alone = [];
    blocks = [];
    x = 0;
  };
  for (const group of groups) {
    if (group.length === 1) {
      if (blocks.length) flush();
      alone.push(group[0]);
      continue;
    }
    const block = blockOf(group, seeds, width, height);
    const fits = blocks.every((other) => other.tall === block.tall) && x + block.width <= width;
    if (alone.length || !fits) flush();
    blocks.push({ ...block, x });
    x += block.width + BETWEEN;
  }
  flush();
  return { lines, end: y };
}

/** The seeds that most prompts have in common, each of which gets a column; none if each prompt has its own. */
function sharedSeeds(groups) {
  const seeds = [...new Set(groups.flat().map((row) => row.seed))].sort((a, b) => inOrder(a ?? "", b ?? ""));
  const most = Math.max(0, ...groups.map((group) => group.length));
  return seeds.length <= 1.5 * most ? seeds : [];
}

/** One prompt's videos, in columns by their seed where all of these fit beside each other. */
function blockOf(group, seeds, width, height) {
  const ratio = ratioOf(group[0]);
  const wanted = Math.min(Math.sqrt((ratio * 16) / 9) * height, width); // videos of all shapes equally large
  const fits = (count) => (width - GAP * (count - 1)) / count;
  const aligned = seeds.length > 0 && fits(seeds.length) >= Math.min(wanted, 120);
  const most = Math.max(2, Math.floor((width + GAP) / (wanted + GAP)));
  const count = aligned ? seeds.length : Math.min(group.length, most);
  const wide = Math.min(wanted, fits(count));
  const cells = group.map((row, index) => {
    const column = aligned ? seeds.indexOf(row.seed) : index % count;
    return { row, line: aligned ? 0 : Math.floor(index / count), left: column * (wide + GAP) };
  });
  return { group, cells, wide, tall: wide / ratio, width: count * (wide + GAP) - GAP };
}

/** Blocks beside each other: a line of headings, then the lines of their videos. */
function placed(blocks, top) {
  const rows = blocks.map((block) => headingLines(block));
  const head = HEADING_REST + HEADING_LINE * Math.max(0, ...rows);
  const headings = blocks.map(({ group, x, width }, n) => ({ group, x, y: top, width, height: head, rows: rows[n] }));
  const lines = blocks.length ? [{ y: top, height: head, items: headings }] : [];
  const tall = Math.max(0, ...blocks.map((block) => block.tall));
  const step = tall + SEED_CAPTION + GAP;
  const below = new Map();
  for (const { cells, x, wide, tall: media } of blocks) {
    for (const { row, line, left } of cells) {
      const y = top + head + line * step;
      if (!below.has(line)) below.set(line, { y, height: tall + SEED_CAPTION, items: [] });
      const height = media + SEED_CAPTION;
      below.get(line).items.push({ row, x: x + left, y, width: wide, media, height, bySeed: true });
    }
  }
  lines.push(...[...below.values()].sort((a, b) => a.y - b.y));
  return { lines, end: top + head + below.size * step };
}

function headingLines({ group, width }) {
  return Math.min(3, Math.max(1, Math.ceil((group[0].prompt.length * LETTER) / width)));
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
