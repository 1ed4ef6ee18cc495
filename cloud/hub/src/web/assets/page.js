"use strict";

// Without this script the page still works: reloading shows the newest list.
const list = document.getElementById("list");
const live = document.getElementById("live");
let fetching = false;
let again = false;

function showLive(connected) {
  live.hidden = false;
  live.textContent = connected ? live.dataset.live : live.dataset.lost;
  live.classList.toggle("lost", !connected);
}

function shownIds() {
  return new Set(Array.from(list.querySelectorAll("article"), (card) => card.dataset.id));
}

// What the reader has folded or unfolded stays so.
function foldedParts() {
  return Array.from(list.querySelectorAll("details[id]"), (part) => [part.id, part.open]);
}

// One request at a time; what changes meanwhile is fetched by one more.
async function refresh() {
  if (fetching) {
    again = true;
    return;
  }
  fetching = true;
  try {
    do {
      again = false;
      const response = await fetch(list.dataset.source + location.search, { cache: "no-store" });
      if (!response.ok) {
        throw new Error("the list answered " + response.status);
      }
      const before = shownIds();
      const parts = foldedParts();
      list.innerHTML = await response.text();
      for (const [id, open] of parts) {
        const part = document.getElementById(id);
        if (part) {
          part.open = open;
        }
      }
      for (const card of list.querySelectorAll("article")) {
        card.classList.toggle("fresh", !before.has(card.dataset.id));
      }
    } while (again);
  } catch (error) {
    showLive(false);
    setTimeout(refresh, 3000);
  } finally {
    fetching = false;
  }
}

const events = new EventSource("/events");
events.onopen = () => showLive(true);
events.onerror = () => {
  showLive(false);
  // The browser gives up on some failures; then this page tries again itself.
  if (events.readyState === EventSource.CLOSED) {
    setTimeout(() => location.reload(), 5000);
  }
};
events.addEventListener("changed", () => {
  showLive(true);
  refresh();
});
