// Asks the server, one question of a kind at a time: a later one takes the place of the one under way.
(function () {
  "use strict";
  const waiting = {};
  let under_way = 0;
  centre.estranged = false;  // whether the server takes whoever looks at the page for somebody else

  function busy(by) {
    under_way += by;
    document.documentElement.classList.toggle("cc-busy", under_way > 0);
  }

  // JSON of an address below the page's own; null if another question of this kind came after it.
  centre.ask = function (kind, path) {
    if (waiting[kind]) waiting[kind].abort();
    const stop = waiting[kind] = new AbortController();
    busy(1);
    const join = path.indexOf("?") < 0 ? "?" : "&";
    return fetch(centre.page.address + "/" + path + join + "lang=" + wangge.language(), {
      headers: { Accept: "application/json" }, credentials: "same-origin", signal: stop.signal
    }).then(function (answer) {
      return ours(answer).then(function (is_ours) { if (!is_ours) throw stranger(); return answer; });
    }).then(function (answer) {
      if (answer.ok) return answer.json();
      return answer.json().catch(function () { return {}; }).then(function (told) {
        const error = new Error(told.detail || told.title || wangge.say("centre.failed", { status: answer.status }));
        error.status = answer.status;
        throw error;
      });
    }).catch(function (error) {
      if (stop.signal.aborted) return null;
      if (!error.status) error.away = true;  // nobody answered
      throw error;
    }).finally(function () {
      busy(-1);
      if (waiting[kind] === stop) delete waiting[kind];
    });
  };

  // Whether an answer is for whom the page was made.
  function ours(answer) {
    const marked = answer.headers.get("Wangge-Seen-As") !== null;
    return wangge.whose(answer, centre.page).then(function (whose) {
      if (whose === "other") location.reload();  // theirs is another page
      else if (whose === "ended" || marked) estrange(whose === "ended");
      return whose === "own";
    });
  }

  // Until an answer is ours again, as after a login in another tab.
  function estrange(now) {
    if (centre.estranged === now) return;
    centre.estranged = now;
    wangge.emit("session");
  }

  function stranger() {
    const error = new Error(wangge.say("centre.session_ended"));
    error.status = 401;
    return error;
  }

  centre.why = function (error) { return error.away ? wangge.say("centre.away") : error.message; };

  // Until the answer is there, numbers of another question stand beside the new filters: they are pale.
  function pale(now) {
    ["cc-figures", "cc-overview"].forEach(function (id) { centre.node(id).setAttribute("aria-busy", now ? "true" : "false"); });
  }

  // The figures of the view: asked when a filter changes and when something happened.
  function load() {
    if (!centre.page.cases) return Promise.resolve();
    return centre.ask("cases", "cases?" + centre.query(centre.view.area ? { area: centre.view.area } : {})).then(function (told) {
      if (!told) return;
      pale(false);
      centre.figures = told;
      centre.figures_at = Date.now();
      centre.fault = null;
      wangge.emit("figures", told);
    }, function (error) {  // of the question alone: what goes wrong in drawing is no answer of the server
      pale(false);
      centre.fault = error;
      wangge.emit("fault", error);
    });
  }

  const ASKING = ["category", "status", "tier", "last", "datetime", "hours", "weekdays", "rate", "previous"];
  centre.asks_anew = function (names) { return ASKING.some(function (name) { return names.has(name); }); };
  centre.reload = load;
  centre.part(function () {
    wangge.on("view", function (names) { if (centre.asks_anew(names) || names.has("area")) { pale(centre.page.cases); load(); } });
    wangge.on("happened", load);
    wangge.on("language", function () { if (centre.fault) load(); });
    load();  // at once: the answer comes while the rest is drawn
  });
})();
