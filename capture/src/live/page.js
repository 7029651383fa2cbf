// The page of `capture live`: asks for the session's state and for frames, one request after the other, so that a slow
// page sees fewer of them and holds up nothing.
import { measure, zebra, peaking, histogram } from "./view.js";

const $ = (id) => document.getElementById(id);
const sleep = (ms) => new Promise((go) => setTimeout(go, ms));
const text = (id, words) => { if ($(id).textContent !== words) $(id).textContent = words; };

let state = null; // what the session said last
let asked = 0; // the prompt that is shown
let best = 0; // the greatest sharpness at this prompt
let answered = 0; // the prompt that was confirmed here

// ---- the session ----

async function followState() {
  for (let version = 0; ;) {
    try {
      const reply = await fetch(`state?after=${version}`);
      if (reply.status === 200) {
        state = await reply.json();
        version = state.version;
        show();
        if (state.phase === "ended") return;
      } else if (reply.status !== 204) {
        gone(await reply.text());
        await sleep(1000);
      }
    } catch {
      gone("The program does not answer. If it has ended, run the same command again: it continues, at a new address.");
      await sleep(1000);
      version = 0;
    }
  }
}

function gone(words) {
  document.body.dataset.phase = "gone";
  document.body.className = "bad";
  state = null;
  text("words", words);
  document.title = "no answer";
  buttons();
}

function show() {
  const s = state;
  document.body.dataset.phase = s.phase;
  const e = s.ended;
  document.body.className = !e ? "" : e.code === 0 ? "good" : e.code === 3 ? "" : "bad";
  text("plan", s.plan);
  text("done", String(s.done));
  text("total", String(s.total));
  $("bar").max = Math.max(1, s.total);
  $("bar").value = s.done;
  const rate = s.per_minute ? `${s.per_minute.toFixed(s.per_minute < 10 ? 1 : 0)} shots/min` : "";
  text("pace", rate && s.phase !== "ended" ? `${rate} · ${duration(s.seconds_left)} left` : rate);
  text("words", words(s));
  document.title = `${s.phase === "prompt" ? "● " : ""}${s.done}/${s.total} ${s.plan}`;
  if (s.prompt && s.prompt.id !== asked) [asked, best] = [s.prompt.id, 0];
  showLast(s.last);
  const notes = [...s.notes].reverse();
  $("notespanel").hidden = notes.length === 0;
  $("notes").replaceChildren(...notes.map(item));
  text("focusnote", s.view.focus ?? "");
  blank();
  buttons();
}

function words(s) {
  const e = s.ended;
  if (e?.message) return sentence(e.message);
  if (e) return `Complete: ${s.done} of ${s.total} shots are stored.`;
  if (s.phase === "stopping") return "Stopping after the shot under way. Everything is saved.";
  if (s.prompt) return s.prompt.text;
  if (s.current) return `Shot ${s.current.index + 1}: ${s.current.scene}, ${s.current.subject}, ${settings(s.current.settings)}`;
  return s.phase === "starting" ? "Connecting to the camera" : "Shooting";
}

function showLast(last) {
  $("lastpanel").hidden = !last;
  if (!last) return;
  const src = `last.jpg?shot=${last.index}`;
  if (!$("last").src.endsWith(src)) {
    $("last").src = src;
    $("last").className = "old"; // another shot's picture until this one's is here
  }
  text("lastwords", settings(last.settings));
  const figures = [];
  if (last.level !== null) figures.push(`level ${last.level.toFixed(3)}`);
  if (last.clipped !== null) figures.push(`clipped ${(100 * last.clipped).toFixed(1)} %`);
  if (last.sharpness !== null) figures.push(`sharpness ${last.sharpness.toExponential(1)}`);
  text("lastfigures", figures.join(" · "));
  $("remarks").replaceChildren(...last.remarks.map(item));
}

$("last").addEventListener("load", () => { $("last").className = ""; });

const item = (words) => Object.assign(document.createElement("li"), { textContent: words });
const sentence = (words) => words.charAt(0).toUpperCase() + words.slice(1) + (/[.!?]$/.test(words) ? "" : ".");
const settings = (s) =>
  `${s.focal_length_mm ? `${s.focal_length_mm} mm, ` : ""}f/${s.f_number}, ${s.shutter} s, ISO ${s.iso}`;

function duration(seconds) {
  const m = Math.ceil(seconds / 60);
  return seconds < 60 ? `${Math.ceil(seconds)} s` : m < 60 ? `${m} min` : `${Math.floor(m / 60)} h ${m % 60} min`;
}

// ---- what the person asks ----

function buttons() {
  $("confirm").disabled = !state?.prompt || state.prompt.id === answered;
  $("confirm").dataset.prompt = state?.prompt?.id ?? "";
  for (const b of document.querySelectorAll("[data-steps]")) b.disabled = !state?.view.open;
}

async function ask(what) {
  try {
    const reply = await fetch(what, { method: "POST" });
    if (reply.status >= 400) text("focusnote", await reply.text());
  } catch {
    gone("The program does not answer: this was not done.");
  }
}

function confirmPrompt() {
  if ($("confirm").disabled) return;
  answered = state.prompt.id;
  buttons();
  ask(`confirm?prompt=${answered}`);
}

$("confirm").addEventListener("click", confirmPrompt);
$("pause").addEventListener("click", () => ask("pause"));
$("stop").addEventListener("click", () => ask("stop"));
for (const b of document.querySelectorAll("[data-steps]")) b.addEventListener("click", () => ask(`focus?steps=${b.dataset.steps}`));

const toggle = (id) => $(id).setAttribute("aria-pressed", String(!pressed(id)));
const pressed = (id) => $(id).getAttribute("aria-pressed") === "true";
for (const id of ["zebra", "peaking", "magnify"]) $(id).addEventListener("click", () => { toggle(id); paint(); });

// A button that was clicked gives the keyboard back, so that Space confirms and does not press it again.
document.addEventListener("click", (e) => { if (e.detail > 0) document.activeElement?.blur(); });
document.addEventListener("keydown", (e) => {
  if (e.repeat || e.ctrlKey || e.altKey || e.metaKey) return;
  const other = document.activeElement?.tagName === "BUTTON" && document.activeElement.id !== "confirm";
  if ((e.key === "Enter" || e.key === " ") && !other) {
    e.preventDefault();
    confirmPrompt();
  }
  const id = { c: "zebra", p: "peaking", m: "magnify" }[e.key.toLowerCase()];
  if (id) $(id).click();
  const step = { ArrowLeft: -1, ArrowRight: 1 }[e.key];
  if (step && state?.view.open) {
    e.preventDefault();
    ask(`focus?steps=${step * (e.shiftKey ? 120 : 20)}`);
  }
});

// ---- live view ----

const sheet = new OffscreenCanvas(1, 1);
let frame = null, figures = null, phase = 0, centre = [0.5, 0.5];
const times = [];

async function followFrames() {
  for (let number = 0; state?.phase !== "ended";) {
    if (document.hidden || state?.phase !== "prompt") {
      still();
      await sleep(150);
      continue;
    }
    try {
      const reply = await fetch(`frame?after=${number}`);
      if (reply.status !== 200) {
        still();
        if (reply.status !== 204) await sleep(1000);
        continue;
      }
      number = Number(reply.headers.get("X-Frame"));
      await take(await createImageBitmap(await reply.blob()));
    } catch {
      still();
      await sleep(1000);
    }
  }
  still();
}

async function take(bitmap) {
  [sheet.width, sheet.height] = [bitmap.width, bitmap.height];
  const c = sheet.getContext("2d", { willReadFrequently: true });
  c.drawImage(bitmap, 0, 0);
  bitmap.close();
  frame = c.getImageData(0, 0, sheet.width, sheet.height);
  figures = measure(frame.data, frame.width, frame.height);
  phase++;
  times.push(performance.now());
  while (times.length > 1 && times.at(-1) - times[0] > 2000) times.shift();
  const rate = times.length > 1 ? (1000 * (times.length - 1)) / (times.at(-1) - times[0]) : 0;
  text("fps", rate ? `${rate.toFixed(rate < 10 ? 1 : 0)} fps` : "live");
  text("level", figures.level.toFixed(3));
  text("clipped", `${(100 * figures.clipped).toFixed(1)} %`);
  text("black", `${(100 * figures.black).toFixed(1)} %`);
  text("sharpness", figures.sharpness.toExponential(2));
  best = Math.max(best, figures.sharpness);
  $("sharp").value = figures.sharpness / best; // of the sharpest at this prompt
  $("view").dataset.frames = phase;
  histogram($("histogram"), figures.counts);
  paint();
  blank();
}

// Shows the frame with its overlays, whole or magnified three times.
function paint() {
  if (!frame) return;
  const { width, height } = frame, shown = new ImageData(new Uint8ClampedArray(frame.data), width, height);
  if (pressed("zebra")) zebra(shown.data, width, height, phase);
  if (pressed("peaking")) peaking(shown.data, figures.luma, width, height);
  sheet.getContext("2d").putImageData(shown, 0, 0);
  const canvas = $("view"), zoom = pressed("magnify") ? 3 : 1;
  [canvas.width, canvas.height] = [width, height];
  canvas.classList.toggle("in", zoom > 1);
  const c = canvas.getContext("2d");
  c.imageSmoothingEnabled = zoom === 1;
  const [w, h] = [width / zoom, height / zoom];
  const [x, y] = [[centre[0], width, w], [centre[1], height, h]].map(([at, all, part]) =>
    Math.min(all - part, Math.max(0, at * all - part / 2)));
  c.drawImage(sheet, x, y, w, h, 0, 0, width, height);
}

function still() {
  times.length = 0;
  text("fps", "");
  blank();
}

function blank() {
  const open = state?.phase === "prompt" && state.view.open && times.length > 0;
  $("blank").hidden = open;
  const trouble = state?.view.trouble;
  text("blank", trouble ? `No live view: ${trouble}` : state?.phase === "prompt" ? "Live view is starting."
    : state?.phase === "ended" ? "The session has ended." : "Live view comes with the next prompt.");
}

$("view").addEventListener("click", (e) => {
  // The picture lies within the canvas's box with a margin on two sides.
  const box = $("view").getBoundingClientRect(), { width, height } = $("view");
  const scale = Math.min(box.width / width, box.height / height);
  if (!pressed("magnify")) {
    centre = [(e.clientX - box.left - box.width / 2) / (width * scale) + 0.5,
      (e.clientY - box.top - box.height / 2) / (height * scale) + 0.5];
  }
  toggle("magnify");
  paint();
});

followState();
followFrames();
