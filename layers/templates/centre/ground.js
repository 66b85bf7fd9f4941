// The ground: streets, water, names of our own server, then the buildings of what is seen, when near enough.
(function () {
  "use strict";
  const NEAR_M = 1.9;  // metres a pixel up to which buildings are drawn

  function unpacked(by_kind) {
    const found = {};
    Object.keys(by_kind || {}).forEach(function (kind) { found[kind] = by_kind[kind].map(centre.unpack_line); });
    return found;
  }

  function shapes(by_use) {
    const found = {};
    Object.keys(by_use || {}).forEach(function (use) { found[use] = centre.unpack(by_use[use]); });
    return found;
  }

  // What is left out of the ground, in words for the legend; null: nothing.
  let left = [], truncated = false;
  centre.ground_words = function () {
    if (!left.length && !truncated) return null;
    const kinds = left.map(function (kind) { return wangge.say("centre.ground_" + kind); });
    const told = truncated ? wangge.say("centre.ground_truncated")
      : wangge.say("centre.ground_left", { kinds: kinds.join(wangge.language() === "zh" ? "、" : ", ") });
    return told + (centre.page.communities.length > 1 ? wangge.say("centre.ground_closer") : "");
  };

  centre.part(function (map, page) {
    let drawn = null, box = null, shown = true;
    const outline = page.communities.reduce(function (all, one) { return all.concat(centre.unpack(one.rings)); }, []);

    function draw(told) {
      drawn = wangge.drawers.base_map(map, {
        community: outline,
        bounds: page.bounds,
        streets: unpacked(told.streets), bridges: unpacked(told.bridges), tunnels: unpacked(told.tunnels),
        names: (told.names || []).map(function (entry) {
          return { name: entry.name, class: entry.class, lines: entry.lines.map(centre.unpack_line) };
        }),
        buildings: {},
        colours: page.ground,
        placed: true
      });
      wangge.emit("labels");
      wangge.emit("ground");
      left = told.left_out || [];
      truncated = Boolean(told.truncated);
      if (centre.ground_words()) centre.draw_legend();
      look();
    }

    // the buildings in the window and half a window around it, asked anew when the map leaves that
    function look() {
      if (!drawn || !shown) return;
      if (wangge.metres_per_pixel(map) > NEAR_M) { drawn.buildings({}); box = null; return; }
      if (box && box.contains(map.getBounds())) return;
      box = map.getBounds().pad(0.5);
      const told = [box.getWest(), box.getSouth(), box.getEast(), box.getNorth()].map(function (value) { return value.toFixed(5); });
      centre.ask("buildings", "base?bbox=" + told.join(",")).then(function (answer) {
        if (answer && drawn) drawn.buildings(shapes(answer.buildings));
      }, function () { box = null; });
    }

    centre.ask("base", "base").then(function (told) { if (told) draw(told); }, function (error) {
      draw({});
      centre.note(wangge.say("centre.no_base", { reason: centre.why(error) }));
    });
    map.on("moveend", look);
    wangge.on("base", function (base) { if (base.name === "buildings") { shown = base.shown; box = null; if (shown) look(); } });
  });
})();
