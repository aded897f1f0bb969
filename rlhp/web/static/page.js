// The page: what is shown is already here, so that the next pair plays at once; what is said is kept here until the server has it.

const link = new URLSearchParams(location.search);
const token = link.get("token") ?? "", annotator = link.get("annotator") || "me";
const AHEAD = 3; // pairs that are dealt in advance: the one shown, and two behind it
const HOLD = 400, SLOW = 0.3, POLL = 2000, HEARTBEAT = 20000; // ms; and the speed of a slow replay
const KEPT = `rlhp ${token.slice(-8)} ${annotator}`; // of this run: where answers wait that the server does not have yet
const $ = (id) => document.getElementById(id);
const body = document.body, buttons = [...document.querySelectorAll("[data-choice]")];

let queue = []; // pairs to show, the first is in front of the person
let pending = JSON.parse(localStorage.getItem(KEPT) ?? "[]"); // answers on their way, oldest first
let mine = { answers: 0, per_hour: 0, undoable: null };
let run = null; // what /api/state said last
let away = false, sending = false, paused = false, slow = false;
let seen = 0, since = null; // how long the pair has been in sight: ms before, and the moment since when
let dealtAt = 0;

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

function accept(dealt) {
  dealtAt = performance.now();
  mine = dealt.mine;
  queue = dealt.pairs.filter((pair) => !pending.some((said) => same(said, pair)));
  arrange();
  write();
}

async function deal() {
  if (sending || pending.length) return send();
  accept(await (await ask("api/next", { annotator, count: AHEAD })).json());
}

// Answers go out one after the other, and again until the server says that it has them.
async function send() {
  if (sending) return;
  sending = true;
  let dealt = null;
  while (pending.length) {
    try {
      dealt = await (await ask("api/answer", { ...pending[0], annotator, count: AHEAD })).json();
      if (dealt.outcome === "gone") say("That pair is gone: the training went back to an earlier point.", true);
      if (dealt.outcome === "taken") say("The learner had used your earlier answer to that pair: it stands.", true);
    } catch (error) {
      if (!refused(error) || error.status === 401) { lost(error); break; }
      say(error.message, true);
    }
    found();
    pending.shift();
    keep();
  }
  sending = false;
  if (dealt && !pending.length) accept(dealt);
}

const keep = () => localStorage.setItem(KEPT, JSON.stringify(pending));

async function undo() {
  if ($("undo").disabled) return;
  if (away && pending.length && !sending) return undoHere();
  while (pending.length && !away) await send().then(() => sleep(20));
  if (away || !mine.undoable) return say("There is nothing to undo: the learner has taken your last answer.", true);
  try {
    const dealt = await (await ask("api/undo", { annotator, ...mine.undoable, count: AHEAD })).json();
    accept(dealt);
    say(dealt.undone ? "Undone: here is that pair again." : "Too late: the learner has just taken that answer.", !dealt.undone);
  } catch (error) { lost(error); }
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
  if (run?.state === "finished" && !error.status && !pending.length) return write();
  say(error.status ? error.message : `The page's server does not answer; trying again.${pending.length ? " Your answers are kept here." : ""}`, true);
  write();
}

function found() {
  if (away) say("");
  away = false;
}

// Clips: fetched once, kept as long as they may be shown

const films = new Map(); // clip id -> promise of an address within this page

function film(clip) {
  if (!films.has(clip)) {
    films.set(clip, ask(`api/clips/${clip}`).then((answer) => answer.blob()).then(URL.createObjectURL));
    films.get(clip).catch(() => films.delete(clip));
  }
  return films.get(clip);
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
      video.onerror = () => failed(new Error("this browser cannot play the clips; serve them with --codec vp9"));
      video.src = addresses[side];
      video.load();
    })));
    this.pair = pair;
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
      if (!error.status) say(error.message, true);
      await sleep(500);
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

function togglePause() {
  paused = !paused;
  $("pause").setAttribute("aria-pressed", paused);
  $("pause").querySelector("span").textContent = paused ? "Play" : "Pause";
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

addEventListener("keydown", (event) => {
  const onControl = event.target.closest?.("button, summary, input");
  if (!(event.key in KEYS) || event.repeat || event.ctrlKey || event.metaKey || event.altKey || (onControl && event.key === " ")) return;
  event.preventDefault();
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

const STATES = { training: "Training", waiting: "Waiting for you", stopped: "Training is stopped", failed: "Training failed", finished: "Training is finished", away: "No connection" };
const count = (n, one) => `${Math.round(n).toLocaleString("en")} ${one}${Math.round(n) === 1 ? "" : "s"}`;

function write() {
  $("undo").disabled = !mine.undoable && !pending.length;
  if (!run) return;
  const state = away && run.state !== "finished" ? "away" : run.state;
  $("state").dataset.state = state;
  $("state").textContent = STATES[state];
  $("state").title = run.error ?? "what the training is doing";
  $("task").textContent = run.task.replaceAll("_", " ");
  $("run").textContent = run.run;
  $("who").textContent = annotator === "me" ? "" : annotator;
  $("instructions").textContent = run.instructions;
  $("mine").textContent = `${count(mine.answers + pending.length, "answer")} of yours`;
  writeProgress();
  $("why").textContent = why();
}

function writeProgress() {
  const { answered, first, labels, per_hour: rate } = run;
  const early = answered < first, goal = early ? first : Math.max(labels, answered), left = goal - answered;
  const steps = run.state === "training" && !early ? `; step ${run.step.toLocaleString("en")} of ${run.total_steps.toLocaleString("en")}` : "";
  $("progress").textContent = early ? `${answered} of ${first} first labels; then the policy is trained` : `${answered} of ${goal} labels${steps}`;
  $("pace").textContent = rate > 0 ? `${count(rate, "label")} an hour${left > 0 ? `, about ${time(left / rate)} to go` : ""}` : "";
  $("done").style.width = `${(100 * answered) / Math.max(goal, 1)}%`;
  $("bar").setAttribute("aria-valuemax", goal);
  $("bar").setAttribute("aria-valuenow", answered);
  $("mark").hidden = early || !first || first >= goal;
  $("mark").style.left = `${(100 * first) / Math.max(goal, 1)}%`;
}

const time = (hours) => (hours < 1 ? `${Math.max(1, Math.round(hours * 60))} min` : `${Math.floor(hours)} h ${Math.round((hours % 1) * 60)} min`);

function why() {
  if (run.problem) return run.problem;
  if (body.dataset.phase === "loading") return "Loading …";
  if (run.asked > run.answered) return "The next pair is being filmed, or somebody else is looking at it.";
  return {
    training: "All questions are answered. Training goes on, and will ask for more.", waiting: "The next pair is on its way.",
    stopped: "All questions are answered, and training is stopped.", failed: `Training failed: ${run.error}`,
    finished: "Training is finished, and all its questions are answered. Thank you!",
  }[run.state];
}

// From time to time

const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

async function tick() {
  try {
    run = await (await ask(`api/state?annotator=${encodeURIComponent(annotator)}`)).json();
    found();
    mine = pending.length ? mine : run.mine;
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
guide.open = localStorage.getItem("rlhp guide") !== "false";
guide.addEventListener("toggle", () => localStorage.setItem("rlhp guide", guide.open));
live();
