// Population groups: bands by area of publication as on a community's map; what is withheld is hatched.
(function () {
  "use strict";
  centre.part(function (map, page) {
    page.groups.forEach(function (group) { wangge.drawers.group_heat(map, group); });
    function group() { return page.groups.find(function (one) { return one.group === centre.view.choice; }) || page.groups[0]; }

    function legend() {
      const told = group();
      if (!told) return null;
      // of an area what is told anyway: the areas of publication that have a grid in it, whole
      const area = centre.area();
      const cells = told.cells.filter(function (cell) { return !area || !cell.codes || cell.codes.some(function (code) { return area.grids.indexOf(code) >= 0; }); });
      const entries = told.bands.map(function (band) {
        const count = cells.filter(function (cell) { return cell.rank === band.rank; }).length;
        return { symbol: "fill", colour: band.colour, label: wangge.choose(band.label) + (area && count ? " · " + wangge.say("centre.area_cells", { count: wangge.number(count) }) : "") };
      });
      const notes = [wangge.choose(told.note)];
      const beyond = area ? cells.filter(function (cell) { return cell.codes && cell.codes.some(function (code) { return area.grids.indexOf(code) < 0; }); }).length : 0;
      if (beyond) notes.push(wangge.say("centre.area_beyond", { count: beyond }));
      const reasons = new Set(cells.filter(function (cell) { return cell.rank === 0; }).map(function (cell) { return wangge.choose(cell.why); }));
      if (reasons.size) entries.push({ symbol: "hatch", label: wangge.say("map.withheld") });
      notes.push(...reasons);
      if (cells.some(function (cell) { return cell.together > 1; })) notes.push(wangge.say("legend.groups_together"));
      if (!cells.length) notes.push(wangge.say("legend.groups_none"));
      return { title: wangge.choose(told.label) + (area ? " · " + area.name() : ""), entries: entries, notes: notes };
    }

    wangge.on("area", function () { if (centre.view.theme === "people") centre.draw_legend(); });
    centre.themes.people = {
      name: function () { return "group:" + (group() ? group().group : ""); },
      legend: legend,
      page: "privacy"
    };
  });
})();
