// Live: the server tells of every change; what the view shows is then asked anew, many changes at once. A lost
// connection is tried again, and as long as it is away the page says since when its figures are old.
(function () {
  "use strict";
  const GATHER_MS = 250;      // changes within this time are asked for together
  const LEAST_MS = 1200;      // between two questions, when there are many changes
  const FRESH_MS = 120000;    // how long a new case is marked as new
  const SILENT_MS = 45000;    // the server gives a sign of life every 15 s
  const RETRY_MS = [1000, 2000, 4000, 8000, 15000];

  centre.part(function (map, page) {
    const node = centre.node("cc-live"), words = centre.node("cc-live-words");
    let source = null, state = "waiting", gathering = null, asked = 0, tries = 0, retry = null, heard = 0, last_id = "", away_since = 0;
    centre.fresh = new Set();
    if (!page.events) { node.hidden = true; return; }

    function show(now) {
      if (now) state = now;
      node.dataset.state = state;
      const at = centre.figures_at ? centre.clock(centre.figures_at).time : "";
      const text = state === "live" ? wangge.say("centre.live", { time: at }) :
        at ? wangge.say("centre.reconnecting", { time: at }) : wangge.say("centre.connecting");
      if (words.textContent !== text) words.textContent = text;
    }

    let kinds = new Set();

    function gather(kind) {
      if (kind) kinds.add(kind);
      if (gathering) return;
      const wait = Math.max(GATHER_MS, asked + LEAST_MS - Date.now());
      gathering = setTimeout(function () {
        gathering = null;
        asked = Date.now();
        const told = kinds;
        kinds = new Set();
        wangge.emit("happened", told);
      }, wait);
    }

    function mark_fresh(event) {
      try {
        const feature = JSON.parse(event.data).feature;
        if (!feature) return;
        const id = String(feature.id);
        centre.fresh.add(id);
        setTimeout(function () { centre.fresh.delete(id); wangge.emit("figures-again"); }, FRESH_MS);
      } catch (error) { if (!(error instanceof SyntaxError)) throw error; }
    }

    function heard_of(event) {
      heard = Date.now();
      if (event.lastEventId) last_id = event.lastEventId;
    }

    function connect() {
      clearTimeout(retry);
      if (source) source.close();
      heard = Date.now();
      source = new EventSource(page.events + "?division=" + encodeURIComponent(page.code) +
        (last_id ? "&after=" + encodeURIComponent(last_id) : ""));
      source.onopen = function () {
        heard = Date.now();
        tries = 0;
        // what happened while the connection was away may not be told again
        if (away_since) gather("reset");
        away_since = 0;
        show("live");
      };
      source.onerror = function () { lost(); };
      ["created", "changed", "imported", "published", "reset"].forEach(function (kind) {
        source.addEventListener(kind, function (event) {
          heard_of(event);
          if (kind === "reset") last_id = "";
          if (kind === "created") mark_fresh(event);
          if (mine(event, kind)) gather(kind);
        });
      });
    }

    // Whether an event is about this division; of others there is nothing to ask.
    function mine(event, kind) {
      if (kind === "reset") return true;
      try {
        const told = JSON.parse(event.data);
        const code = told.community || (told.feature && told.feature.properties && told.feature.properties.community) || "";
        return !code || code.indexOf(page.code) === 0;
      } catch (error) { if (!(error instanceof SyntaxError)) throw error; return true; }
    }

    function lost() {
      if (source) source.close();
      source = null;
      if (!away_since) away_since = Date.now();
      show("away");
      clearTimeout(retry);
      // a little apart from each other, so that many screens do not all come back at once
      retry = setTimeout(connect, RETRY_MS[Math.min(tries, RETRY_MS.length - 1)] * (0.8 + 0.4 * Math.random()));
      tries += 1;
    }

    wangge.on("figures", function () { show(); });
    wangge.on("language", function () { show(); });
    wangge.on("fault", function (error) { if (error.away && source) lost(); });
    wangge.on("started", function () { show("waiting"); connect(); });
    window.addEventListener("online", function () { if (!source) connect(); });
    window.addEventListener("offline", lost);
    window.addEventListener("pagehide", function () { if (source) source.close(); });
    document.addEventListener("visibilitychange", function () { if (!document.hidden && !source) connect(); });
    // a connection can die without a word: asleep, or behind a box that forgot it
    setInterval(function () {
      if (source && state === "live" && Date.now() - heard > SILENT_MS && source.readyState !== 1) lost();
      // spans such as the last 24 hours move on also where nothing happens
      if (state === "live" && !document.hidden && centre.figures_at && Date.now() - centre.figures_at > 300000) gather();
    }, 5000);
  });
})();
