// Keeps the page fresh: times in the reader's zone, and the live part fetched again when the box says "changed".
// The page is complete without it. Written for old tablets.
(function () {
  'use strict';
  var stale = document.getElementById('stale');
  var live = document.querySelector('[data-live]');
  var kept = {};
  var busy = false;
  var again = false;

  function each(root, selector, act) { Array.prototype.forEach.call(root.querySelectorAll(selector), act); }

  function two(n) { return (n < 10 ? '0' : '') + n; }

  function localise(root) {
    var today = new Date().toDateString();
    each(root, 'time[datetime]', function (element) {
      var at = new Date(element.getAttribute('datetime'));
      if (isNaN(at)) { return; }
      var clock = two(at.getHours()) + ':' + two(at.getMinutes());
      var full = at.getFullYear() + '-' + two(at.getMonth() + 1) + '-' + two(at.getDate()) + ' ' + clock;
      element.textContent = at.toDateString() === today && !element.hasAttribute('data-full') ? clock : full;
      element.title = full;
    });
  }

  // An element that did not change keeps its node, so that pictures do not flicker and the reader's place holds.
  function show(html) {
    var parsed = new DOMParser().parseFromString(html, 'text/html').body;
    var fresh = live.cloneNode(false);
    var next = {};
    var anchor = null;
    each(parsed, '[data-keep]', function (element) {
      var old = kept[element.id];
      var source = element.outerHTML;
      next[element.id] = { source: source, node: old && old.source === source ? old.node : null };
      if (next[element.id].node) { element.textContent = ''; }
    });
    while (parsed.firstChild) { fresh.appendChild(document.adoptNode(parsed.firstChild)); }
    var focused = document.activeElement && document.activeElement.id;
    each(live, '[data-keep]', function (element) {
      var box = element.getBoundingClientRect();
      if (!anchor && 0 < box.bottom && next[element.id]) { anchor = { id: element.id, top: box.top }; }
    });
    each(fresh, '[data-keep]', function (element) {
      var entry = next[element.id];
      if (entry.node) { element.parentNode.replaceChild(entry.node, element); } else { entry.node = element; }
    });
    live.parentNode.replaceChild(fresh, live);
    live = fresh;
    kept = next;
    localise(live);
    if (focused && document.activeElement.id !== focused && document.getElementById(focused)) {
      document.getElementById(focused).focus({ preventScroll: true });
    }
    if (anchor && 0 < window.pageYOffset) {
      window.scrollBy(0, document.getElementById(anchor.id).getBoundingClientRect().top - anchor.top);
    }
  }

  function refresh() {
    if (busy) { again = true; return; }
    busy = true;
    fetch(live.getAttribute('data-live'), { credentials: 'same-origin', cache: 'no-store' })
      .then(function (answer) {
        if (answer.status === 401) { location.reload(); }
        if (!answer.ok) { throw new Error('status ' + answer.status); }
        return answer.text();
      })
      .then(function (html) { show(html); stale.hidden = true; listen(); })
      .catch(function () { stale.hidden = false; })
      .then(function () {
        busy = false;
        if (again) { again = false; refresh(); }
      });
  }

  // A sound when something of an expert's arrives, once somebody has allowed it on this page.
  var button = document.getElementById('sound');
  var Sound = window.AudioContext || window.webkitAudioContext;
  var speaker = null;
  var heard = null;

  function tokens() {
    var arrivals = document.querySelector('[data-arrivals]');
    return arrivals ? arrivals.getAttribute('data-arrivals').split(' ').filter(Boolean) : [];
  }

  function beep() {
    [0, 0.25].forEach(function (after) {
      var tone = speaker.createOscillator();
      var volume = speaker.createGain();
      tone.frequency.value = after ? 1175 : 880;
      volume.gain.value = 0.2;
      tone.connect(volume);
      volume.connect(speaker.destination);
      tone.start(speaker.currentTime + after);
      tone.stop(speaker.currentTime + after + 0.2);
    });
  }

  function listen() {
    var now = tokens();
    var isNew = heard && now.some(function (token) { return heard.indexOf(token) < 0; });
    heard = now;
    if (isNew && speaker) { beep(); }
  }

  if (button && Sound) {
    button.hidden = false;
    button.addEventListener('click', function () {
      if (speaker) { speaker.close(); speaker = null; } else { speaker = new Sound(); beep(); }
      button.textContent = button.getAttribute(speaker ? 'data-on' : 'data-off');
    });
  }
  listen();

  var print = document.querySelector('[data-print]');
  if (print) {
    print.hidden = false;
    print.addEventListener('click', function () { window.print(); });
  }

  // A voice note becomes the form's file; where a browser cannot record, a file can still be chosen.
  var record = document.getElementById('record');
  var voice = document.getElementById('voice');
  var recorder = null;
  var canRecord = record && voice && window.MediaRecorder && window.DataTransfer && window.File &&
    navigator.mediaDevices && navigator.mediaDevices.getUserMedia;

  function startRecording(stream) {
    var pieces = [];
    recorder = new MediaRecorder(stream);
    recorder.addEventListener('dataavailable', function (event) { pieces.push(event.data); });
    recorder.addEventListener('stop', function () {
      var kind = recorder.mimeType || 'audio/webm';
      var files = new DataTransfer();
      files.items.add(new File(pieces, 'voice', { type: kind }));
      voice.files = files.files;
      stream.getTracks().forEach(function (track) { track.stop(); });
      recorder = null;
      record.textContent = record.getAttribute('data-record');
    });
    recorder.start();
    record.textContent = record.getAttribute('data-stop');
  }

  if (canRecord) {
    record.hidden = false;
    record.addEventListener('click', function () {
      if (recorder) { recorder.stop(); return; }
      navigator.mediaDevices.getUserMedia({ audio: true }).then(startRecording, function () { record.hidden = true; });
    });
  }

  if (live && window.fetch) {
    each(live, '[data-keep]', function (element) {
      kept[element.id] = { source: element.outerHTML, node: element };
    });
    // Ages grow and a broken line is noticed even when nothing is announced.
    setInterval(refresh, 15000);
    if (window.EventSource) {
      var events = new EventSource('/events');
      events.addEventListener('changed', refresh);
      events.addEventListener('open', refresh);
      events.addEventListener('error', refresh);
    }
  }
  // The box's own page takes the place of the one that set it up.
  if (document.getElementById('set-up-done')) {
    setInterval(function () {
      fetch('/', { cache: 'no-store' }).then(function (answer) { if (answer.ok) { location.assign('/'); } }, function () {});
    }, 2000);
  }

  localise(document);
}());
