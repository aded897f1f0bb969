// What the page knows. Everything else reads it here, and few write it.

export const page = {
  queue: [], // questions to show, the first is in front of the person
  reopened: null, // a question that was answered and is to be answered again: it comes first
  pending: [], // answers on their way, oldest first
  mine: { answers: 0, per_hour: 0, undoable: null },
  run: null, // what /api/state said last
  away: false, // the server does not answer
  refusal: "", // or it does not let this person in: why
  blocked: false, // all questions that were dealt hold clips that do not play here
  passedOver: 0, // questions that were dealt and hold such a clip
  chosen: Promise.resolve(), // until what was chosen has been shown for a moment
};

export const same = (a, b) => a && b && a.query === b.query && a.round === b.round && a.clips.join() === b.clips.join();
export const showing = () => document.body.dataset.phase === "showing";
