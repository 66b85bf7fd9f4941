// Population groups: bands by area of publication as on a community's map; what is withheld is hatched.
(function () {
  "use strict";
  centre.part(function (map, page) {
    page.groups.forEach(function (group) { wangge.drawers.group_heat(map, group); });
    function group() { return page.groups.find(function (one) { return one.group === centre.view.choice; }) || page.groups[0]; }

    function legend() {
      const told = group();
      if (!told) return null;
      const entries = told.bands.map(function (band) {
        return { symbol: "fill", colour: band.colour, label: wangge.choose(band.label) };
      });
      const notes = [wangge.choose(told.note)];
      const reasons = new Set(told.cells.filter(function (cell) { return cell.rank === 0; }).map(function (cell) { return wangge.choose(cell.why); }));
      if (reasons.size) entries.push({ symbol: "hatch", label: wangge.say("map.withheld") });
      notes.push(...reasons);
      if (told.cells.some(function (cell) { return cell.together > 1; })) notes.push(wangge.say("legend.groups_together"));
      if (!told.cells.length) notes.push(wangge.say("legend.groups_none"));
      return { title: wangge.choose(told.label), entries: entries, notes: notes };
    }

    centre.themes.people = {
      name: function () { return "group:" + (group() ? group().group : ""); },
      legend: legend,
      page: "privacy"
    };
  });
})();
