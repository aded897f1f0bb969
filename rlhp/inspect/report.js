// The line on a clip's curves moves with its video; a click on the video pauses or resumes it.
const clips = [...document.querySelectorAll("figure.clip")].filter((figure) => figure.querySelector("video"));
for (const figure of clips) {
  const video = figure.querySelector("video");
  video.addEventListener("click", () => (video.paused ? video.play() : video.pause()));
}
const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
if (still) for (const figure of clips) figure.querySelector("video").pause();

function follow() {
  for (const figure of clips) {
    const video = figure.querySelector("video"), steps = Number(figure.dataset.steps);
    const step = Math.min(Math.floor(video.currentTime * Number(video.dataset.fps) + 1e-6), steps - 1);
    figure.querySelector(".cursor").setAttribute("transform", `translate(${((step + 0.5) / steps) * 320} 0)`);
    figure.dataset.step = step;
  }
  requestAnimationFrame(follow);
}
requestAnimationFrame(follow);
