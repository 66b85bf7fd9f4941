// A collection's page of features on a plain map: outlines over nothing but the streets of our own server.
(function () {
  "use strict";
  var box = document.querySelector(".map[data-items]");
  if (!box) return;
  var note = document.querySelector(".map-note");
  var canvas = L.canvas({ padding: 0.2 });
  var map = L.map(box, { renderer: canvas, attributionControl: false, zoomSnap: 0.25 });
  map.setView([0, 0], 1);
  L.control.scale({ imperial: false }).addTo(map);

  function tell(text) {
    note.textContent = text;
    note.hidden = false;
  }

  function card(feature) {
    var list = document.createElement("dl");
    Object.keys(feature.properties || {}).forEach(function (name) {
      var value = feature.properties[name];
      if (value === null || value === "") return;
      var term = document.createElement("dt");
      var text = document.createElement("dd");
      term.textContent = name;
      text.textContent = String(value);
      list.append(term, text);
    });
    var made = document.createElement("div");
    if (box.dataset.path) {
      var link = document.createElement("a");
      link.href = box.dataset.path + encodeURIComponent(feature.id);
      link.textContent = feature.id;
      made.append(link);
    }
    made.append(list);
    return made;
  }

  function draw(data) {
    var layer = L.geoJSON(data, {
      style: { color: "#1f5fa8", weight: 1.5, fillOpacity: 0.12 },
      pointToLayer: function (feature, at) {
        return L.circleMarker(at, { radius: 5, color: "#1f5fa8", weight: 1.5, fillOpacity: 0.35 });
      },
      onEachFeature: function (feature, drawn) {
        drawn.bindPopup(function () { return card(feature); }, { maxHeight: 260 });
      }
    }).addTo(map);
    var bounds = layer.getBounds();
    if (!bounds.isValid()) {
      tell(note.dataset.none);
      return null;
    }
    map.fitBounds(bounds.pad(0.05), { animate: false, maxZoom: 18 });
    return map.getBounds();
  }

  function under(bounds) {
    if (!bounds || !box.dataset.backdrop) return null;
    var asked = new URL(box.dataset.backdrop, location.href);
    asked.searchParams.set("bbox", bounds.toBBoxString());
    return get(asked).then(function (data) {
      L.geoJSON(data, { style: { color: "#b9b6ae", weight: 1 }, interactive: false }).addTo(map).bringToBack();
    });
  }

  function get(address) {
    return fetch(address, { headers: { Accept: "application/geo+json" } }).then(function (answer) {
      if (!answer.ok) throw new Error(String(answer.status));
      return answer.json();
    });
  }

  get(box.dataset.items)
    .then(draw)
    .then(under)
    .catch(function () { tell(note.dataset.failed); });
})();
