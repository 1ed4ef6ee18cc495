"use strict";

// Without this script every page works: the list by reloading, drafts by the button.
const list = document.getElementById("list");
const live = document.getElementById("live");
const report = document.getElementById("report");

function showLive(connected) {
  live.hidden = false;
  live.textContent = connected ? live.dataset.live : live.dataset.lost;
  live.classList.toggle("lost", !connected);
}

// The list follows what happens; one request at a time, and one more for what happened meanwhile.
let fetching = false;
let again = false;
async function refresh() {
  if (!list) {
    return;
  }
  if (fetching) {
    again = true;
    return;
  }
  fetching = true;
  try {
    do {
      again = false;
      const answer = await fetch(list.dataset.source, { cache: "no-store" });
      if (answer.redirected || answer.status === 401) {
        location.reload();
        return;
      }
      if (!answer.ok) {
        throw new Error("the list answered " + answer.status);
      }
      const focused = document.activeElement?.getAttribute("href");
      list.innerHTML = await answer.text();
      if (focused) {
        list.querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus();
      }
    } while (again);
  } catch {
    showLive(false);
    setTimeout(refresh, 5000);
  } finally {
    fetching = false;
  }
}

const events = new EventSource("/events");
events.onopen = () => showLive(true);
events.onerror = () => showLive(false);
events.addEventListener("changed", () => {
  showLive(true);
  refresh();
});
// What is due comes nearer without any news.
if (list) {
  setInterval(refresh, 30000);
}

if (report) {
  const saved = document.getElementById("saved");
  const revision = report.elements.namedItem("revision");
  let timer = 0;
  let saving = false;
  let changed = false;
  // The button that was pressed while a draft was on its way: what it sends must know the draft's new number.
  let pressed = null;

  async function save() {
    if (saving) {
      return;
    }
    saving = true;
    changed = false;
    const form = new FormData(report);
    form.delete("password");
    form.delete("code");
    form.set("by", "script");
    try {
      const answer = await fetch(report.dataset.draft, { method: "POST", body: new URLSearchParams(form) });
      const said = await answer.json();
      if (!answer.ok) {
        throw new Error(said.said);
      }
      revision.value = said.revision;
      saved.textContent = saved.dataset.saved + " " + new Date().toLocaleTimeString();
      saved.classList.remove("said");
    } catch (error) {
      changed = true;
      saved.textContent = saved.dataset.unsaved + (error.message ? " – " + error.message : "");
      saved.classList.add("said");
    } finally {
      saving = false;
      if (pressed) {
        report.requestSubmit(pressed);
      }
    }
  }

  function touched() {
    changed = true;
    saved.textContent = saved.dataset.unsaved;
    clearTimeout(timer);
    timer = setTimeout(save, 1500);
  }
  report.addEventListener("input", (event) => {
    if (event.target.name !== "password" && event.target.name !== "code") {
      touched();
    }
  });
  document.addEventListener("barefoot-marks", touched);
  for (const button of report.querySelectorAll("[data-impression]")) {
    button.addEventListener("click", () => {
      for (const name of ["description", "impression"]) {
        const field = document.getElementById(name);
        field.value = field.value ? field.value + "\n" + button.dataset[name] : button.dataset[name];
      }
      touched();
    });
  }
  // Somebody is here: the case stays theirs.
  setInterval(() => {
    const body = new URLSearchParams({ csrf: report.elements.namedItem("csrf").value });
    fetch(report.dataset.renew, { method: "POST", body });
    if (changed && !saving) {
      save();
    }
  }, 60000);
  report.addEventListener("submit", (event) => {
    clearTimeout(timer);
    if (saving) {
      event.preventDefault();
      pressed = event.submitter;
      return;
    }
    pressed = null;
    changed = false;
  });
  window.addEventListener("beforeunload", (event) => {
    if (changed) {
      event.preventDefault();
    }
  });
}

// Keys, where nothing is being typed.
document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input, textarea, select, barefoot-viewer");
  if (typing || event.ctrlKey || event.metaKey || event.altKey) {
    return;
  }
  const to = { d: "description", i: "impression", s: "save", c: "claim" }[event.key];
  if (event.key === "g") {
    location.href = "/worklist";
  } else if (to) {
    const found = document.getElementById(to);
    if (found) {
      event.preventDefault();
      found.focus();
    }
  }
});
