// The page: what is shown is already here, so that the next pair plays at once; what is said is kept here until the server has it.

const link = new URLSearchParams(location.search);
const token = link.get("token") ?? "", annotator = link.get("annotator") || "me";
const AHEAD = 3, MOST = 5; // pairs that are dealt in advance: the one shown, and two behind it; and what the server deals at once
const HOLD = 400, SLOW = 0.3, POLL = 2000, HEARTBEAT = 20000; // ms; and the speed of a slow replay
const KEPT = `rlhp ${token.slice(-8)} ${annotator}`; // of this run: where answers wait that the server does not have yet
const $ = (id) => document.getElementById(id);
const body = document.body, buttons = [...document.querySelectorAll("[data-choice]")];

// What the browser keeps. Its storage may be blocked, full or damaged: then this tab alone remembers.
const storage = {
  read(key) { try { return JSON.parse(localStorage.getItem(key)); } catch { return null; } },
  write(key, value) { try { localStorage.setItem(key, JSON.stringify(value)); return true; } catch { return false; } },
};
const isAnswer = (said) => [said?.query, said?.round, said?.seen].every(Number.isFinite) && typeof said.choice === "string"
  && Array.isArray(said.clips) && said.clips.length === 2 && said.clips.every((clip) => typeof clip === "string");
const restored = storage.read(KEPT);

let queue = []; // pairs to show, the first is in front of the person
let pending = Array.isArray(restored) ? restored.filter(isAnswer) : []; // answers on their way, oldest first
let mine = { answers: 0, per_hour: 0, undoable: null };
let run = null; // what /api/state said last
let away = false, refusal = "", sending = false, stored = true, slow = false;
let paused = matchMedia("(prefers-reduced-motion: reduce)").matches; // then films wait until somebody asks for them
let seen = 0, since = null; // how long the pair has been in sight: ms before, and the moment since when
let dealtAt = 0, told = 0; // and how many answers and undos the server has acknowledged

const same = (a, b) => a && b && a.query === b.query && a.round === b.round && a.clips.join() === b.clips.join();

// The server

async function ask(path, content) {
  const headers = { authorization: `Bearer ${token}`, ...(content && { "content-type": "application/json" }) };
  const method = content ? "POST" : "GET";
  const body = content && JSON.stringify(content);
  const answer = await fetch(path, { method, headers, body, keepalive: !!content }); // what was said arrives though the tab is closed
  if (answer.ok) return answer;
  const detail = await answer.json().then((json) => json.detail, () => answer.statusText);
  throw Object.assign(new Error(typeof detail === "string" ? detail : `refused: ${JSON.stringify(detail)}`), { status: answer.status });
}

const refused = (error) => error.status >= 400 && error.status < 500;
const shutOut = (error) => error.status === 401 || error.status === 403; // whatever is asked for

function accept({ pairs, mine: standing }) {
  dealtAt = performance.now();
  mine = standing;
  const playable = pairs.filter((pair) => !pair.clips.some((clip) => unplayable.has(clip)));
  passedOver = pairs.length - playable.length;
  blocked = passedOver > 0 && !playable.length;
  queue = playable.filter((pair) => !pending.some((said) => same(said, pair)));
  arrange();
  write();
}

// The pair in front of a person stays there, also where an earlier one, filmed anew, is dealt again.
function steady(dealt) {
  const shown = body.dataset.phase === "showing" && dealt.pairs.find((pair) => same(pair, active.pair));
  return shown ? { ...dealt, pairs: [shown, ...dealt.pairs.filter((pair) => pair !== shown)] } : dealt;
}

const wanted = () => Math.min(AHEAD + passedOver, MOST);
const post = async (path, content = {}) => (await ask(`api/${path}`, { annotator, count: wanted(), ...content })).json();

// Whether nothing was acknowledged since this was called: what was asked for then is out of date otherwise.
function asOfNow() {
  const before = told;
  return () => told === before;
}

async function deal() {
  if (sending || pending.length) return send();
  const fresh = asOfNow(), dealt = await post("next");
  if (fresh()) accept(steady(dealt));
}

// Answers go out one after the other, and again until the server says that it has them.
async function send() {
  if (sending) return;
  sending = true;
  let dealt = null;
  while (pending.length) {
    try {
      dealt = await post("answer", pending[0]);
      if (dealt.outcome === "gone") say("That pair is gone: the training went back to an earlier point.", true);
      if (dealt.outcome === "taken") say("The learner had used your earlier answer to that pair: it stands.", true);
    } catch (error) {
      if (!refused(error) || shutOut(error)) { lost(error); break; }
      say(error.message, true);
    }
    found();
    told++;
    pending.shift();
    keep();
  }
  sending = false;
  if (dealt && !pending.length) accept(steady(dealt));
}

const keep = () => { stored = storage.write(KEPT, pending); };

let undoing = Promise.resolve(); // one after the other: each takes back what the one before it left
const undo = () => { undoing = undoing.then(undoOne); };

async function undoOne() {
  if ($("undo").disabled) return;
  while (pending.length && !away) await send().then(() => sleep(20));
  if (away && pending.length && !sending) return undoHere();
  if (away) return say(`Nothing is undone. ${trouble()}`, true);
  if (!mine.undoable) return say("There is nothing to undo: the learner has taken your last answer.", true);
  sending = true; // an answer that is given meanwhile goes out after this
  try {
    const dealt = await post("undo", mine.undoable);
    told++;
    accept(dealt);
    say(dealt.undone ? "Undone: here is that pair again." : "Too late: the learner has just taken that answer.", !dealt.undone);
  } catch (error) { lost(error); }
  sending = false;
  if (pending.length && !away) send();
}

function undoHere() { // what the server does not have yet
  const { query, round, clips } = pending.pop();
  keep();
  queue.unshift({ query, round, clips });
  arrange();
  write();
}

function lost(error) {
  away = true;
  trouble = () => (error.status ? error.message : unreachable());
  refusal = refused(error) ? error.message : "";
  if (run?.state === "finished" && !error.status && !pending.length) return write();
  if (refusal && body.dataset.phase === "loading") phase("idle"); // nothing is on its way
  say(trouble(), true);
  write();
}

let trouble = unreachable; // what keeps the server from answering, in a sentence
function unreachable() {
  const kept = stored ? " Your answers are kept here." : " Your answers are kept in this tab alone: leave it open.";
  return `The page's server does not answer; trying again.${pending.length ? kept : ""} If it was stopped, rlhp label starts it.`;
}

function found() {
  if (away) say("");
  away = false;
  refusal = "";
}

// Clips: fetched once, kept as long as they may be shown

const films = new Map(); // clip id -> promise of an address within this page
const versions = new Map(); // clip id -> the ETag with which it came
const unplayable = new Set(); // clips that were filmed anew and still do not play here
let passedOver = 0, blocked = false; // pairs that were dealt and hold such a clip; whether there are no others

function film(clip) {
  if (!films.has(clip)) {
    films.set(clip, fetched(clip));
    films.get(clip).catch(() => films.delete(clip));
  }
  return films.get(clip);
}

async function fetched(clip) {
  const answer = await ask(`api/clips/${clip}`);
  versions.set(clip, answer.headers.get("etag") ?? "");
  return URL.createObjectURL(await answer.blob());
}

// A clip does not play: have it filmed anew, and go on with other pairs meanwhile.
async function report(clip) {
  if (!films.has(clip)) return; // reported already
  films.get(clip).then(URL.revokeObjectURL);
  films.delete(clip);
  try {
    const fresh = asOfNow(), dealt = await post("damaged", { clip, version: versions.get(clip) });
    if (!dealt.refilmed) unplayable.add(clip);
    say(dealt.refilmed ? "A clip did not play and is filmed again; other pairs come first." : UNPLAYABLE, !dealt.refilmed);
    if (fresh()) accept(dealt);
  } catch (error) { lost(error); }
}

function forget() {
  const wanted = new Set([...queue, ...stages.map((stage) => stage.pair)].flatMap((pair) => pair?.clips ?? []));
  for (const [clip, address] of films) {
    if (films.size <= 16) return;
    if (!wanted.has(clip)) { films.delete(clip); address.then(URL.revokeObjectURL, () => {}); }
  }
}

// Two stages: one is seen, the other holds the next pair, loaded

class Stage {
  constructor(root) {
    this.root = root;
    this.videos = [...root.querySelectorAll("video")];
    this.pair = null;
    for (const video of this.videos) {
      video.addEventListener("ended", () => this.again());
      video.addEventListener("timeupdate", () => this.inStep());
    }
  }

  async load(pair) {
    this.pair = null;
    const addresses = await Promise.all(pair.clips.map(film));
    await Promise.all(this.videos.map((video, side) => new Promise((done, failed) => {
      video.onloadeddata = done;
      video.onerror = () => failed(Object.assign(new Error("a clip does not play"), { clip: pair.clips[side] }));
      video.src = addresses[side];
      video.load();
    })));
    const { videoWidth, videoHeight } = this.videos[0];
    $("clips").style.setProperty("--ratio", videoWidth / videoHeight); // a run's clips are all alike
    this.pair = pair;
    this.videos.forEach((video, side) => { video.onerror = () => this.broke(pair.clips[side]); });
  }

  async broke(clip) { // it began well, and is damaged further on
    this.pair = null;
    if (this === active) phase("loading");
    await report(clip);
    arrange();
  }

  async play() {
    for (const video of this.videos) { video.currentTime = 0; video.playbackRate = slow ? SLOW : 1; }
    if (!paused) await Promise.allSettled(this.videos.map((video) => video.play()));
  }

  pause() { for (const video of this.videos) video.pause(); }

  resume() { for (const video of this.videos) if (!video.ended) video.play().catch(() => {}); this.again(); }

  again() { // both have come to their end: hold the last picture for a moment, then begin together
    if (this !== active || paused || !this.videos.every((video) => video.ended)) return;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => { if (this === active && !paused && this.videos.every((video) => video.ended)) this.play(); }, HOLD);
  }

  inStep() {
    const [left, right] = this.videos;
    if (this === active && !left.ended && !right.ended && Math.abs(left.currentTime - right.currentTime) > 0.08)
      right.currentTime = left.currentTime;
  }
}

const stages = [new Stage($("stage-a")), new Stage($("stage-b"))];
let active = stages[0], arranging = false, anew = false;

// Shows the first pair of the queue and loads the second; called whenever the queue has changed.
async function arrange() {
  anew = true;
  if (arranging) return;
  arranging = true;
  while (anew) {
    anew = false;
    const [now, next] = queue, other = stages.find((stage) => stage !== active);
    try {
      if (now && !(same(active.pair, now) && body.dataset.phase === "showing")) await show(now, same(active.pair, now) ? active : other);
      else if (!now) hide();
      const behind = stages.find((stage) => stage !== active);
      if (!anew && next && !same(behind.pair, next)) await behind.load(next);
      for (const pair of queue) pair.clips.forEach(film);
    } catch (error) {
      if (error.clip) await report(error.clip);
      else await deal().catch(lost).then(() => sleep(500)); // a clip that is gone is being filmed again: what else is there?
      anew = anew || queue.length > 0;
    }
  }
  arranging = false;
  forget();
}

async function show(pair, stage) {
  if (!same(stage.pair, pair)) { phase("loading"); await stage.load(pair); }
  if (!same(queue[0], pair)) return; // things have changed meanwhile
  const before = active;
  active = stage;
  if (before !== stage) { before.pause(); before.root.hidden = true; }
  stage.root.hidden = false;
  if (slow) toggleSlow();
  phase("showing");
  seen = 0;
  since = document.hidden ? null : performance.now();
  early();
  body.dataset.pair = `${pair.query}/${pair.round}`;
  stage.play();
  write();
}

function hide() {
  active.pause();
  delete body.dataset.pair;
  phase("idle");
}

function phase(name) {
  body.dataset.phase = name;
  for (const button of buttons) button.disabled = name !== "showing";
}

// Time in sight: a tab that is hidden shows nothing to anybody

const inSight = () => seen + (since === null ? 0 : performance.now() - since);
const minimum = () => (run?.minimum_view ?? 1) * 1000;

function early() {
  body.style.setProperty("--minimum", `${minimum()}ms`);
  body.classList.remove("early");
  void body.offsetWidth; // begins the animation anew
  body.classList.toggle("early", inSight() < minimum());
  setTimeout(() => body.classList.toggle("early", inSight() < minimum()), Math.max(0, minimum() - inSight()) + 20);
}

document.addEventListener("visibilitychange", () => {
  seen = inSight();
  since = document.hidden ? null : performance.now();
  if (!document.hidden) { early(); tick(); }
});

// What a person does

function choose(choice) {
  const pair = queue[0];
  if (body.dataset.phase !== "showing" || !same(active.pair, pair)) return;
  if (inSight() < minimum()) return say("Look a moment longer.");
  pending.push({ query: pair.query, round: pair.round, clips: pair.clips, choice, seen: Math.min(inSight() / 1000, 86400) });
  keep();
  queue = queue.slice(1);
  if (!away) say({ left: "Left is better.", right: "Right is better.", equal: "Equal.", unsure: "Cannot tell." }[choice]);
  flash(buttons.find((button) => button.dataset.choice === choice));
  arrange();
  if (queue.length && !same(active.pair, queue[0])) phase("loading"); // what is answered is not shown as if it were not
  send();
  write();
}

function flash(button) {
  button.classList.add("hit");
  setTimeout(() => button.classList.remove("hit"), 160);
}

function writePause() {
  $("pause").setAttribute("aria-pressed", paused);
  $("pause").querySelector("span").textContent = paused ? "Play" : "Pause";
}

function togglePause() {
  paused = !paused;
  writePause();
  if (paused) active.pause(); else active.resume();
}

function toggleSlow() {
  slow = !slow;
  $("slow").setAttribute("aria-pressed", slow);
  if (paused) togglePause();
  active.play();
}

const KEYS = {
  ArrowLeft: () => choose("left"), ArrowRight: () => choose("right"), ArrowDown: () => choose("equal"), ArrowUp: () => choose("unsure"),
  z: undo, Z: undo, " ": togglePause, s: toggleSlow, S: toggleSlow,
};

function clipsInView() {
  const { top, bottom } = active.root.getBoundingClientRect();
  return bottom + top >= 0 && bottom + top <= 2 * innerHeight; // their middle is
}

addEventListener("keydown", (event) => {
  const onControl = event.target.closest?.("button, summary, input");
  if (!(event.key in KEYS) || event.repeat || event.ctrlKey || event.metaKey || event.altKey || (onControl && event.key === " ")) return;
  if (event.key.startsWith("Arrow") && !clipsInView()) return say("Scroll back to the clips to answer with the arrow keys.");
  event.preventDefault(); // a key that answers does not scroll, and a key that scrolls does not answer
  KEYS[event.key]();
});

for (const button of buttons) button.addEventListener("click", () => choose(button.dataset.choice));
$("undo").addEventListener("click", undo);
$("pause").addEventListener("click", togglePause);
$("slow").addEventListener("click", toggleSlow);
addEventListener("pointerup", () => document.activeElement?.matches?.("button") && document.activeElement.blur()); // Space pauses again

// What is written on the page

function say(text, bad = false) {
  $("say").textContent = text;
  $("say").classList.toggle("bad", bad);
}

const STATES = { training: "Training", waiting: "Waiting for you", stopped: "Training is stopped", failed: "Training failed", finished: "The learner is done", away: "No connection", refused: "No access" };
const UNPLAYABLE = "This browser cannot play the clips, though they were filmed again: serve them with rlhp label --codec vp9.";
const count = (n, one) => `${Math.round(n).toLocaleString("en")} ${one}${Math.round(n) === 1 ? "" : "s"}`;

function write() {
  $("undo").disabled = !mine.undoable && !pending.length;
  $("why").textContent = why();
  const state = refusal ? "refused" : away && run?.state !== "finished" ? "away" : run?.state;
  $("state").dataset.state = state ?? "";
  $("state").textContent = STATES[state] ?? "…";
  if (!run) return;
  $("state").title = run.error ?? "what the training is doing";
  $("task").textContent = run.task.replaceAll("_", " ");
  $("run").textContent = run.run;
  $("who").textContent = annotator === "me" ? "" : annotator;
  $("instructions").textContent = run.instructions;
  $("mine").textContent = `${count(mine.answers + pending.length, "answer")} of yours`;
  writeProgress();
}

function progress(over, early, goal) {
  const { state, step, total_steps, answered, first, taken, labels } = run;
  if (over) return `The learner is done: it used ${taken} of ${count(labels, "label")}`;
  if (early) return `${answered} of ${first} first labels; then the policy is trained`;
  const steps = `; step ${step.toLocaleString("en")} of ${total_steps.toLocaleString("en")}`;
  return `${answered} of ${goal} labels${state === "training" ? steps : ""}`;
}

function writeProgress() {
  const { first, labels, per_hour: rate } = run;
  const over = run.state === "finished", answered = over ? run.taken : run.answered, early = !over && answered < first;
  const goal = early ? first : Math.max(labels, answered), left = over ? 0 : goal - answered;
  $("progress").textContent = progress(over, early, goal);
  $("pace").textContent = rate > 0 ? `${count(rate, "label")} an hour${left > 0 ? `, about ${time(left / rate)} to go` : ""}` : "";
  $("done").style.width = `${(100 * answered) / Math.max(goal, 1)}%`;
  $("bar").setAttribute("aria-valuemax", goal);
  $("bar").setAttribute("aria-valuenow", answered);
  $("mark").hidden = early || !first || first >= goal;
  $("mark").style.left = `${(100 * first) / Math.max(goal, 1)}%`;
}

const time = (hours) => (hours < 1 ? `${Math.max(1, Math.round(hours * 60))} min` : `${Math.floor(hours)} h ${Math.round((hours % 1) * 60)} min`);

function why() {
  if (refusal) return `${refusal[0].toUpperCase()}${refusal.slice(1)}.`;
  if (blocked) return UNPLAYABLE;
  if (!run) return "Loading …";
  if (run.problem) return run.problem;
  if (body.dataset.phase === "loading") return "Loading …";
  if (run.asked > run.answered) return "The next pair is being filmed, or somebody else is looking at it.";
  return {
    training: "All questions are answered. Training goes on, and will ask for more.", waiting: "The next pair is on its way.",
    stopped: "All questions are answered, and training is stopped.", failed: `Training failed: ${run.error}`,
    finished: `The learner is done: it used ${run.taken} of ${count(run.labels, "label")}. All questions are answered. Thank you!`,
  }[run.state];
}

// From time to time

const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

async function tick() {
  try {
    const before = run?.state, fresh = asOfNow();
    run = await (await ask(`api/state?annotator=${encodeURIComponent(annotator)}`)).json();
    found();
    if (before && before !== run.state && run.state === "finished") say("The learner is done. What you answer now is kept, but not learned from.");
    if (fresh() && !pending.length) mine = run.mine;
    if (pending.length || queue.length < 2 || performance.now() - dealtAt > HEARTBEAT) await deal();
  } catch (error) { lost(error); }
  write();
}

async function live() {
  for (;;) {
    if (!document.hidden) await tick();
    await sleep(queue.length && !away ? POLL : POLL / 4);
  }
}

const guide = $("guide");
guide.open = storage.read("rlhp guide") !== false;
guide.addEventListener("toggle", () => storage.write("rlhp guide", guide.open));
writePause();
live();
