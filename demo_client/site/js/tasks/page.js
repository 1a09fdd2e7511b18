/** The dashboard: which of its views is shown is told by the address, and Back and Forward work. */

import { Clocks } from "../hub/clocks.js";
import { append, byId, h, setText } from "../hub/dom.js";
import { Painter } from "../hub/painter.js";
import { listKinds, Problem } from "../hub/services.js";
import { announce, startShell } from "../hub/shell.js";
import { formatAddress, NEWEST, parseAddress, shortId } from "./address.js";
import { Board } from "./board.js";
import { Cancellations } from "./cancellations.js";
import { Submission } from "./submission.js";
import { TaskDetail } from "./task-detail.js";
import { whyNot } from "./words.js";

/** @typedef {import("./address.js").Address} Address */

const TICK_MS = 500;
const KINDS_AGAIN_MS = 3_000;
const TITLE = document.title;

startShell();

const painter = new Painter();
/** Ages are told by the server's clock. */
const clocks = new Clocks();
/** @type {Map<string, number>} */
const maxAttempts = new Map();

/** @type {Address} */
let address = NEWEST;
/** @type {TaskDetail | null} */
let detail = null;
let listScroll = 0;
/** What of the browser's address is shown. */
let search = "";

const cancellations = new Cancellations((id, task) => {
  if (task) board.tasks.records.get(id)?.adopt(task);
  board.changed(id);
  const { problem } = cancellations.of(id);
  if (problem) announce(problem);
  if (detail?.id === id) detail.cancellationChanged(task);
});
const board = new Board({ painter, cancellations, onGo: (change) => go({ ...address, ...change }) });
const submission = new Submission((task) => board.submitted(task));

const problems = h("p", { class: "notice", "data-tone": "bad", role: "status", hidden: true });
const submit = h(
  "details",
  { class: "card submit", open: matchMedia("(min-width: 64rem)").matches },
  h("summary", {}, h("h2", {}, "Submit a task")),
  submission.element,
);
const list = h("div", { class: "list-view" }, submit, board.element);
const place = h("div", { class: "detail-view" });
append(byId("app", HTMLElement), [problems, list, place]);

/**
 * Go to another address of this page.
 *
 * @param {Address} next
 */
function go(next) {
  const from = address.task === "" && next.task !== "";
  history.pushState({ fromList: from }, "", formatAddress(next));
  search = location.search;
  apply(next);
}

/** From a task to the list that it was opened from, if it was. */
function back() {
  if (history.state?.fromList) history.back();
  else go({ ...address, task: "" });
}

/** @param {Address} next */
function apply(next) {
  const before = address;
  const listed = detail !== null || before.task === "" || before === NEWEST;
  address = next;
  if (next.task !== before.task || before === NEWEST) showTask(before.task);
  const moved = next.kind !== before.kind || next.state !== before.state || next.cursor !== before.cursor;
  if (moved || !listed || before === NEWEST) board.show(next);
}

/** @param {string} before  the task that was open */
function showTask(before) {
  detail?.close();
  detail = null;
  if (before === "") listScroll = scrollY;
  list.hidden = address.task !== "";
  if (address.task === "") {
    document.title = TITLE;
    place.replaceChildren();
    scrollTo(0, listScroll);
    if (before !== "") board.focus(before);
    return;
  }
  document.title = `Task ${shortId(address.task)} · ${TITLE}`;
  detail = new TaskDetail(address.task, {
    painter,
    cancellations,
    maxAttempts: (kind) => maxAttempts.get(kind) ?? null,
    onBack: back,
  });
  place.replaceChildren(detail.element);
  scrollTo(0, 0);
  detail.open();
}

function readAddress() {
  search = location.search;
  const found = parseAddress(search);
  setText(problems, found.problems.join(" "));
  problems.hidden = found.problems.length === 0;
  apply(found.address);
}

/** A link to a task opens it here, unless it is to be opened elsewhere. @param {MouseEvent} event */
function followLink(event) {
  const link = event.target instanceof Element ? event.target.closest("a[data-task]") : null;
  if (
    !(link instanceof HTMLElement) ||
    event.button !== 0 ||
    event.ctrlKey ||
    event.metaKey ||
    event.shiftKey ||
    event.altKey
  )
    return;
  event.preventDefault();
  go({ ...address, task: link.dataset.task ?? "" });
}

async function readKinds() {
  try {
    const kinds = await listKinds();
    for (const kind of kinds) maxAttempts.set(kind.name, kind.max_attempts);
    submission.setKinds(kinds);
    board.setKinds(kinds.map((kind) => kind.name));
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    submission.setProblem(`${whyNot(error)} It is asked for the kinds again.`);
    setTimeout(readKinds, KINDS_AGAIN_MS);
  }
}

const times = {
  paint() {
    const [serverMs, pageMs] = [clocks.live.now(), performance.now()];
    board.paintTimes(serverMs, pageMs);
    detail?.paintTimes(serverMs, pageMs);
  },
};

history.scrollRestoration = "manual";
// "Skip to the content" changes the address too, and nothing of what is shown.
addEventListener("popstate", () => location.search !== search && readAddress());
document.addEventListener("click", followLink);
setInterval(() => painter.request(times), TICK_MS);
readAddress();
readKinds();
clocks.start();
