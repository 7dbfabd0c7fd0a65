//! What V8's heap snapshots call the things of a heap.

use super::Writer;
use super::format::NodeType;
use crate::heap::Heap;
use crate::layout::STRING_REPRESENTATION;
use crate::maps::Treatment;
use crate::objects::Place;
use crate::reached::Parent;

/// What describes the shape of objects.
const SHAPES: [&str; 7] =
    ["Map", "DescriptorArray", "PrototypeInfo", "TransitionArray", "EnumCache", "Cell", "DependentCode"];
/// Of what V8 keeps about code and shapes, what it counts to neither.
const NO_CODE: [&str; 10] = [
    "AccessCheckInfo",
    "AccessorInfo",
    "CallHandlerInfo",
    "ClassPositions",
    "DictionaryTemplateInfo",
    "FunctionTemplateInfo",
    "FunctionTemplateRareData",
    "InterceptorInfo",
    "ObjectTemplateInfo",
    "WeakArrayList",
];

impl Writer<'_, '_, '_> {
    /// What an object is to V8: the type of its node, and its name.
    pub(super) fn described(&mut self, place: Place) -> (NodeType, u64) {
        let object = self.heap.objects.address(place);
        let map = self.reached.maps.of(self.heap, object);
        let Some(info) = self.reached.maps.get(map) else { return (NodeType::Hidden, self.strings.made("")) };
        let (treatment, instance_type, is_receiver, class) =
            (info.treatment, info.instance_type, info.is_receiver, info.class);
        if instance_type < self.heap.layout.first_nonstring {
            let node_type = match instance_type & STRING_REPRESENTATION {
                1 => NodeType::ConcatenatedString,
                3 => NodeType::SlicedString,
                _ => NodeType::String,
            };
            return (node_type, self.strings.of_heap(self.heap, object));
        }
        if treatment == Treatment::Function {
            let name = match self.heap.shared(object) {
                Some(shared) => self.function_name(shared),
                None => self.strings.made(""),
            };
            return (NodeType::Closure, name);
        }
        let layout = self.heap.layout;
        let kind = layout.type_name(instance_type);
        if kind == Some("JSBoundFunction") {
            return (NodeType::Closure, self.strings.made("native_bind"));
        }
        if is_receiver {
            let node_type = if kind == Some("JSRegExp") { NodeType::RegExp } else { NodeType::Object };
            let (strings, maps) = (&mut self.strings, &self.reached.maps);
            let name = self.class_names.entry(class).or_insert_with(|| strings.own(maps.class(map)));
            return (node_type, *name);
        }
        let text = match (kind, treatment) {
            (_, Treatment::Context) => return (NodeType::Object, self.strings.made("system / Context")),
            (Some("HeapNumber"), _) => return (NodeType::Number, self.strings.made("heap number")),
            (Some("BigInt" | "BigIntBase"), _) => return (NodeType::BigInt, self.strings.made("bigint")),
            (Some("Symbol"), _) => return (NodeType::Symbol, self.strings.made("symbol")),
            (Some("SharedFunctionInfo"), _) => return (NodeType::Code, self.function_name(object)),
            (Some("Script"), _) => {
                let (name, _) = self.heap.script(object);
                return (NodeType::Code, self.strings.own(&name));
            }
            (Some(kind), _) if SHAPES.contains(&kind) => {
                return (NodeType::ObjectShape, self.strings.own(&format!("system / {kind}")));
            }
            (Some(kind), Treatment::Metadata) if !NO_CODE.contains(&kind) => {
                return (NodeType::Code, self.strings.own(&format!("system / {kind}")));
            }
            (_, Treatment::PropertyArray) => "system / PropertyArray",
            (_, Treatment::Entries | Treatment::NameDictionary | Treatment::Ephemerons) => self.store(place),
            (Some(kind), _) => {
                let name = self.strings.own(&format!("system / {kind}"));
                return (NodeType::Hidden, name);
            }
            (None, _) => "system / Internal",
        };
        let node_type = if text.starts_with("system") { NodeType::Hidden } else { NodeType::Array };
        (node_type, self.strings.made(text))
    }

    /// The number of a function's name, by its `SharedFunctionInfo`.
    fn function_name(&mut self, shared: u64) -> u64 {
        if let Some(known) = self.strings.name(shared) {
            return known;
        }
        let number = self.strings.own(&self.heap.shared_name(shared));
        self.strings.note(shared, number)
    }

    /// What V8 calls an array by where it hangs.
    fn store(&mut self, place: Place) -> &'static str {
        let Some(Parent::Object(owner)) = self.reached.parent(self.heap, place) else { return "" };
        let (array, owner) = (self.heap.objects.address(place), self.heap.objects.address(owner));
        if self.heap.type_of(owner) < self.heap.layout.first_receiver {
            return "";
        }
        let holds = |heap: &mut Heap<'_>, offset| heap.field(owner, offset) == Some(array);
        if holds(self.heap, 16) {
            "(object elements)"
        } else if holds(self.heap, 8) {
            "(object properties)"
        } else {
            ""
        }
    }
}

/// A symbol as the name of a property: private ones as they are written, all others marked.
pub(super) fn symbol(name: &str) -> String {
    let description =
        name.strip_prefix("Symbol(").and_then(|name| name.strip_suffix(')')).unwrap_or_default();
    if description.starts_with('#') { description.to_owned() } else { format!("<symbol {description}>") }
}
