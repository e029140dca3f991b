// The page: wires paper, tools, live matches and the bot together.

import { Keep } from "./keep.js";
import { Keyboard, shortcuts } from "./keyboard.js";
import { Live } from "./live.js";
import { Paper, picture } from "./paper.js";
import { Photos } from "./photos.js";
import { Refusal, Server, takeLink } from "./server.js";
import { Sketch } from "./sketch.js";

const WIDTHS = [0.006, 0.012, 0.02, 0.034, 0.056]; // of the paper's
const ERASER = 3; // times as wide as the pen
const NO_LINK = "This page opens from Discord: type `/draw` there, and I give you a link.";
const HINT = "Photos that look most like it appear here as you draw.";

const $ = (id) => document.getElementById(id);
const sketch = new Sketch();
const photos = new Photos($("photos"));
let tool = "pen";

/** Put a sentence where it belongs; what stands between backticks is something to type. */
function write(element, sentence) {
  const parts = sentence.replaceAll("**", "").replaceAll("*", "").split("`");
  const nodes = parts.map((part, i) => {
    if (i % 2 === 0) return part;
    return Object.assign(document.createElement("code"), { textContent: part });
  });
  element.replaceChildren(...nodes);
}

function say(sentence) {
  $("said").textContent = sentence;
}

function refuse(error) {
  document.body.dataset.state = "refused";
  write($("why"), error.message);
  document.querySelector(".refusal").hidden = false;
  $("refused-again").hidden = !error.again;
  if (error.again) $("refused-again").href = error.again;
}

/** Whether an error says that this link is no good any more. */
function isOver(error) {
  return error.code === "link" || error.code === "used";
}

function choose(name) {
  tool = name;
  for (const id of ["pen", "eraser"]) $(id).setAttribute("aria-pressed", String(id === name));
  document.body.dataset.tool = name;
}

function choice() {
  const width = WIDTHS[$("width").value - 1];
  return { tool, width: tool === "eraser" ? width * ERASER : width };
}

function showTools() {
  $("undo").disabled = !sketch.canUndo;
  $("redo").disabled = !sketch.canRedo;
  $("clear").disabled = sketch.strokes.length === 0;
  $("post").disabled = sketch.empty;
  document.body.classList.toggle("drawn", sketch.strokes.length > 0);
}

/** How the live matches stand, in words; the photos stay until there are others. */
function showLive(state, detail) {
  document.body.classList.toggle("waiting", state === "waiting");
  if (state === "waiting") return;
  // Below photos that say it themselves, the names are for those who listen.
  document.body.classList.toggle("matched", state === "found" && detail.photos.length > 0);
  if (state === "blank") {
    photos.clear();
    write($("status"), HINT);
  } else if (state === "found") {
    const names = detail.photos.map((photo) => photo.title).join(", ");
    write($("status"), detail.photos.length ? `${names}.` : "I find no photo that looks like it.");
  } else if (state === "trouble") {
    write($("status"), detail.message);
    if (isOver(detail)) refuse(detail);
  }
}

function start(server, opened) {
  const keep = new Keep(opened.keep_as);
  const live = new Live(server, sketch, photos, showLive);
  const changed = () => {
    keep.save(sketch);
    showTools();
    if (sketch.full) say("The paper is full. Post it, or take something back.");
    live.changed();
  };
  const paper = new Paper($("ink"), sketch, choice, { began: () => live.stop(), changed });
  new Keyboard($("ink"), $("cursor"), paper, say);

  const actions = {
    pen: () => choose("pen"),
    eraser: () => choose("eraser"),
    thinner: () => $("width").stepDown(),
    thicker: () => $("width").stepUp(),
    undo: () => sketch.undo(),
    redo: () => sketch.redo(),
    clear: () => sketch.clear(),
  };
  const act = (name) => {
    if (paper.locked || paper.drawing) return;
    actions[name]();
    if (!["undo", "redo", "clear"].includes(name)) return;
    paper.redraw();
    changed();
  };
  for (const name of ["pen", "eraser", "undo", "redo", "clear"]) {
    $(name).addEventListener("click", () => act(name));
  }
  shortcuts($("ink"), act);
  $("post").addEventListener("click", () => post(server, paper, live, keep));

  $("channel").textContent = `for ${opened.channel}`;
  $("post").textContent = `Post it in ${opened.channel}`;
  document.body.dataset.state = "drawing";
  paper.locked = false;
  const kept = keep.load();
  if (kept) {
    sketch.load(kept);
    paper.redraw();
    live.changed();
  }
  showTools();
}

async function post(server, paper, live, keep) {
  if (paper.locked || sketch.empty) return;
  paper.end(); // another finger may still be drawing
  live.stop();
  paper.locked = true;
  document.body.dataset.state = "posting";
  $("post").disabled = true;
  document.body.classList.remove("matched");
  write($("status"), "Posting it…");
  try {
    const body = { drawing: picture(sketch), sketch: sketch.plain(), known: photos.known() };
    const posted = await server.ask("post", body);
    keep.forget();
    await photos.show(posted.photos);
    showPosted(server, posted);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    document.body.dataset.state = "drawing";
    paper.locked = false;
    showTools();
    write($("status"), error.message);
    if (error.code === "used") keep.forget(); // posted, though the answer was lost on its way
    if (isOver(error)) refuse(error);
  }
}

function showPosted(server, posted) {
  document.body.dataset.state = "posted";
  $("found-title").textContent = "Posted!";
  write($("status"), "Good match, miss or funny? Vote on each photo.");
  $("post").hidden = true;
  $("see").href = posted.url;
  $("see").hidden = false;
  $("see").focus();
  if (posted.again) $("again").href = posted.again;
  $("again").hidden = !posted.again;
  photos.ballot(posted.photos, async (result, kind) => {
    try {
      const counted = await server.ask("vote", { result, kind });
      photos.count(counted.tallies, result, counted.stands ? kind : null);
      say(counted.stands ? "Your vote is counted." : "Your vote is taken back.");
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      write($("status"), error.message);
    }
  });
}

async function open() {
  const link = takeLink();
  if (!link) return refuse({ message: NO_LINK });
  const server = new Server(link);
  try {
    start(server, await server.ask("open"));
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    refuse(error);
    if (error.retryAfter) setTimeout(() => location.reload(), error.retryAfter * 1000);
  }
}

// A link may be opened in a tab that shows an old one.
window.addEventListener("hashchange", () => location.hash && location.reload());
await open();
