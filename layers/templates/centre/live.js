// Live: the server tells of every change; what the view shows is then asked anew. As long as the connection is away
// the page says since when its figures are old.
(function () {
  "use strict";
  const FRESH_MS = 120000;    // how long a new case is marked as new

  centre.part(function (map, page) {
    const node = centre.node("cc-live"), words = centre.node("cc-live-words");
    let state = "waiting", ear = null;
    centre.fresh = new Set();
    if (!page.events) { node.hidden = true; return; }

    function show() {
      node.dataset.state = centre.estranged ? "away" : state;
      const at = centre.figures_at ? centre.clock(centre.figures_at).time : "";
      const text = state === "live" ? wangge.say("centre.live", { time: at }) :
        at ? wangge.say("centre.reconnecting", { time: at }) : wangge.say("centre.connecting");
      if (centre.estranged) words.replaceChildren(wangge.say("centre.session_since", { time: at || "–" }) + " ", wangge.login());
      else if (words.textContent !== text) words.textContent = text;
    }

    function mark_fresh(feature) {
      const id = String(feature.id);
      centre.fresh.add(id);
      setTimeout(function () { centre.fresh.delete(id); wangge.emit("figures-again"); }, FRESH_MS);
    }

    wangge.on("figures", show);
    wangge.on("language", show);
    wangge.on("session", show);
    wangge.on("fault", function (error) { if (error.away && ear) ear.lost(); });
    wangge.on("started", function () {
      ear = wangge.listen(page.events, page.code, {
        state: function (now) { state = now; show(); },
        happened: function (kinds) { wangge.emit("happened", kinds); },
        created: mark_fresh,
        asked: function () { return centre.figures_at || 0; }
      });
    });
  });
})();
