// What happens, as the server tells it: changes of a division, many gathered to one. A lost connection is tried again.
(function () {
  "use strict";
  const GATHER_MS = 250;      // changes within this time are told together
  const LEAST_MS = 1200;      // between two of them, when there are many changes
  const SILENT_MS = 45000;    // the server gives a sign of life every 15 s
  const OLD_MS = 300000;      // spans such as the last 24 hours move on also where nothing happens
  const RETRY_MS = [1000, 2000, 4000, 8000, 15000];
  const KINDS = ["created", "changed", "imported", "published", "reset"];

  // hooks: state(name) "waiting", "live" or "away"; happened(kinds), a set; created(feature) of a new case, or none;
  // asked(), when what is shown was asked for last, or 0. Gives {lost}: to be called where an answer did not come.
  wangge.listen = function (address, code, hooks) {
    let source = null, state = "", gathering = null, told = 0, tries = 0, retry = null, heard = 0, last_id = "", away = false;
    let kinds = new Set();

    function show(now) { state = now; hooks.state(now); }

    function gather(kind) {
      if (kind) kinds.add(kind);
      if (gathering) return;
      gathering = setTimeout(function () {
        const found = kinds;
        gathering = null;
        told = Date.now();
        kinds = new Set();
        hooks.happened(found);
      }, Math.max(GATHER_MS, told + LEAST_MS - Date.now()));
    }

    function connect() {
      clearTimeout(retry);
      if (source) source.close();
      heard = Date.now();
      source = new EventSource(address + "?division=" + encodeURIComponent(code) + (last_id ? "&after=" + encodeURIComponent(last_id) : ""));
      source.onopen = function () {
        heard = Date.now();
        tries = 0;
        // what happened while the connection was away may not be told again
        if (away) gather("reset");
        away = false;
        show("live");
      };
      source.onerror = lost;
      KINDS.forEach(function (kind) {
        source.addEventListener(kind, function (event) {
          heard = Date.now();
          if (event.lastEventId) last_id = event.lastEventId;
          if (kind === "reset") { last_id = ""; gather(kind); return; }
          const data = read(event);
          if (kind === "created" && hooks.created && data && data.feature) hooks.created(data.feature);
          if (mine(data)) gather(kind);
        });
      });
    }

    function read(event) {
      try { return JSON.parse(event.data); } catch (error) { if (!(error instanceof SyntaxError)) throw error; return null; }
    }

    // Whether an event is about this division; of others there is nothing to ask.
    function mine(data) {
      const community = data && (data.community || data.feature && data.feature.properties && data.feature.properties.community) || "";
      return !community || community.indexOf(code) === 0;
    }

    function lost() {
      if (source) source.close();
      source = null;
      away = true;
      show("away");
      clearTimeout(retry);
      // a little apart from each other, so that many screens do not all come back at once
      retry = setTimeout(connect, RETRY_MS[Math.min(tries, RETRY_MS.length - 1)] * (0.8 + 0.4 * Math.random()));
      tries += 1;
    }

    window.addEventListener("online", function () { if (!source) connect(); });
    window.addEventListener("offline", lost);
    window.addEventListener("pagehide", function () { if (source) source.close(); });
    document.addEventListener("visibilitychange", function () { if (!document.hidden && !source) connect(); });
    setInterval(function () {
      // a connection can die without a word: asleep, or behind a box that forgot it
      if (source && state === "live" && Date.now() - heard > SILENT_MS && source.readyState !== 1) lost();
      if (state === "live" && !document.hidden && hooks.asked() && Date.now() - hooks.asked() > OLD_MS) gather();
    }, 5000);
    show("waiting");
    connect();
    return { lost: function () { if (source) lost(); } };
  };
})();
