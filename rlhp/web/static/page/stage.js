// A stage plays the clips of one question. One stage is visible while another holds the preloaded clips of the next question.

import { $, made } from "../base.js";
import { film } from "./films.js";
import { playback } from "./playback.js";

const HOLD = 400; // ms for which the last frame is held before the clips restart
const APART = 0.08; // maximum offset between clips in seconds

export class Stage {
  constructor(root, onTap, onFailure) {
    this.root = root;
    this.question = null;
    this.figures = [];
    this.frame = 0; // seconds per frame, once measured
    this.onTap = onTap;
    this.onFailure = onFailure;
  }

  get videos() { return this.figures.map((figure) => figure.querySelector("video")); }

  /** Create one figure per clip, each with its name. */
  setFigures(names) {
    while (this.figures.length < names.length) this.figures.push(this.figure(this.figures.length));
    while (this.figures.length > names.length) this.figures.pop().remove();
    this.root.dataset.clips = names.length;
    names.forEach((name, side) => this.name(side, name));
  }

  name(side, name) {
    const figure = this.figures[side];
    figure.querySelector("figcaption").textContent = name;
    figure.querySelector("video").setAttribute("aria-label", name ? `${name} clip` : "The clip");
  }

  figure(side) {
    const video = made("video", { muted: true, playsInline: true, preload: "auto", disablePictureInPicture: true });
    const figure = made("figure", { "data-side": side }, video, made("figcaption"), made("span", { className: "place", hidden: true }));
    video.addEventListener("ended", () => this.again());
    video.addEventListener("timeupdate", () => this.inStep());
    figure.addEventListener("click", (event) => this.onTap(this, side, event));
    this.root.append(figure);
    return figure;
  }

  async load(question, names) {
    this.question = null;
    this.setFigures(names);
    this.mark([]);
    const addresses = await Promise.all(question.clips.map(film));
    await Promise.all(this.videos.map((video, side) => new Promise((done, failed) => {
      video.onloadeddata = done;
      video.onerror = () => failed(Object.assign(new Error("a clip does not play"), { clip: question.clips[side] }));
      video.src = addresses[side];
      video.load();
    })));
    const { videoWidth, videoHeight } = this.videos[0];
    $("clips").style.setProperty("--ratio", videoWidth / videoHeight); // all clips of a run have the same ratio
    this.question = question;
    this.videos.forEach((video, side) => { video.onerror = () => this.onFailure(this, question.clips[side]); });
    this.measure();
  }

  /** Measure the duration of a frame from consecutive frames. */
  measure() {
    const [video] = this.videos;
    let before = null;
    const look = (_, { mediaTime }) => {
      const step = mediaTime - before;
      if (before !== null && step > 0.001 && step < (this.frame || 1)) this.frame = step;
      before = mediaTime;
      if (this.question) video.requestVideoFrameCallback(look);
    };
    this.frame = 0;
    video.requestVideoFrameCallback?.(look);
  }

  get duration() { return this.videos[0]?.duration || 0; }
  get at() { return this.videos[0]?.currentTime ?? 0; }
  get ended() { return this.videos.every((video) => video.ended); }

  async play() {
    for (const video of this.videos) { video.currentTime = 0; video.playbackRate = playback.rate; }
    if (!playback.paused) await Promise.allSettled(this.videos.map((video) => video.play()));
  }

  pause() { for (const video of this.videos) video.pause(); }

  resume() { for (const video of this.videos) if (!video.ended) video.play().catch(() => {}); this.again(); }

  again() { // once all clips have ended: hold the last frame for a moment, then restart together
    if (this.root.hidden || playback.paused || !this.ended) return;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => { if (!this.root.hidden && !playback.paused && this.ended) this.play(); }, HOLD);
  }

  inStep() {
    const [first, ...others] = this.videos;
    if (this.root.hidden || first.ended) return;
    for (const video of others)
      if (!video.ended && Math.abs(first.currentTime - video.currentTime) > APART) video.currentTime = first.currentTime;
  }

  seek(seconds) { for (const video of this.videos) video.currentTime = Math.min(Math.max(seconds, 0), this.duration); }

  /** Outline the chosen clips. */
  mark(sides) { this.figures.forEach((figure, side) => figure.classList.toggle("chosen", sides.includes(side))); }

  /** Show a clip's place in a ranking, or nothing. */
  place(side, text) {
    const badge = this.figures[side].querySelector(".place");
    badge.hidden = !text;
    badge.textContent = text ?? "";
  }
}
