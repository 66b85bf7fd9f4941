// The grids are redrawn while the page is open, on a wall for weeks: it is read anew, with all that stands in its address.
(function () {
  "use strict";
  const LEAST_MS = 10000;  // between two readings
  const AGAIN_MS = 15000;  // where the server did not answer: its page stays until there is another
  const TOLD = "wangge.redrawn", MISSED = "wangge.missed";

  // storage may be forbidden
  function kept(name) { try { return sessionStorage.getItem(name); } catch (error) { return null; } }
  function keep(name, value) {
    try { if (value) sessionStorage.setItem(name, value); else sessionStorage.removeItem(name); } catch (error) { return false; }
    return true;
  }

  centre.part(function (map, page) {
    const known = new Set(page.grids.map(function (grid) { return grid.code; }));
    let timer = null;

    function renew() {
      if (timer) return;
      timer = setTimeout(function () {
        fetch(location.href, { headers: { Accept: "text/html" }, credentials: "same-origin" }).then(function (answer) {
          timer = null;
          if (centre.estranged) return;  // the public's page in place of one's own would help nobody
          if (!answer.ok) { again(); return; }
          keep(TOLD, "1");
          location.reload();
        }, function () { timer = null; again(); });
      }, Math.max(0, LEAST_MS - performance.now()));
    }
    function again() { setTimeout(renew, AGAIN_MS); }

    wangge.on("happened", function (kinds) { if (kinds.has("published")) renew(); });
    // A redraw that nobody told of, the connection being away: figures of grids that the page does not have. Asked once:
    // what a page just read does not have either, another reading will not bring.
    wangge.on("figures", function (figures) {
      const missed = [];
      figures.by_grid.forEach(function (row) {
        (row.grids || [row.grid]).forEach(function (code) { if (!known.has(code)) missed.push(code); });
      });
      if (!missed.length) { keep(MISSED, ""); return; }
      const told = missed.sort().join();
      if (kept(MISSED) !== told && keep(MISSED, told)) renew();
    });

    wangge.on("started", function () {
      const gone = centre.view.grid && !known.has(centre.view.grid) ? centre.view.grid : "", words = [];
      if (kept(TOLD)) words.push(wangge.say("centre.redrawn"));
      if (gone) words.push(wangge.say("centre.grid_gone", { code: gone }));
      keep(TOLD, "");
      if (words.length) centre.note(words.join(wangge.language() === "zh" ? "" : " "));
      if (gone) centre.change({ grid: "" }, true);
    });
  });
})();
