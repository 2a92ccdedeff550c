//! Who takes part in what, in which order.

use std::collections::HashMap;
use std::sync::Arc;

use chat_engine::CommandItem;
use chat_engine::port::{FromHooks, HookSet, Subscriptions};
use chat_plugin_abi as abi;

use crate::desk::Desk;
use crate::frame::Down;
use crate::slot::{Place, SeatId, SlotId};

impl Desk {
    /// Recounts who takes part in what, and tells the engine.
    pub(crate) fn publish(&mut self) {
        let mut chains: HashMap<u32, Vec<SlotId>> = HashMap::new();
        self.commands.clear();
        for (id, slot) in &self.slots {
            if !slot.is_asked() {
                continue;
            }
            for hook in slot.about.hooks.keys() {
                chains.entry(*hook).or_default().push(*id);
            }
            for command in slot.about.commands.keys() {
                // The first one by age keeps it; the other was told when it came.
                self.commands.entry(command.clone()).or_insert(*id);
            }
        }
        let slots = &self.slots;
        self.chains = chains
            .into_iter()
            .map(|(hook, mut chain)| {
                chain.sort_by_key(|id| {
                    let slot = slots.get(id);
                    let priority = slot.map_or(0, |slot| slot.priority(hook));
                    let id = slot.map_or("", |slot| slot.about.id.as_str());
                    (std::cmp::Reverse(priority), id)
                });
                (hook, chain.into())
            })
            .collect();
        let subscriptions = self.subscriptions();
        let line = |item: &CommandItem| format!("{}\t{}\n", item.name, item.help);
        let list: String = subscriptions.commands.iter().map(line).collect();
        if list != self.command_list {
            self.command_list = list;
            let seats: Vec<SeatId> = self.seats.keys().copied().collect();
            for seat in seats {
                self.tell_commands(seat);
            }
        }
        self.out.push(FromHooks::Subscriptions(subscriptions));
    }

    /// Tells an instance which commands there are.
    pub(crate) fn tell_commands(&mut self, id: SeatId) {
        let Some(seat) = self.seats.get(&id) else {
            return;
        };
        if seat.capabilities & abi::CHAT_CAP_COMMAND == 0 {
            return;
        }
        let list = self.command_list.clone();
        match &seat.place {
            Place::Local(local) => *crate::instance::lock(&local.host.commands) = list,
            Place::Helper(process) => {
                process.put(|out| Down::Commands(list).write(out));
                self.dirty.push(Arc::clone(process));
            }
        }
    }

    pub(crate) fn subscriptions(&self) -> Subscriptions {
        let mut hooks = HookSet::NONE;
        let direct = |id: &SlotId| {
            let slot = self.slots.get(id);
            slot.is_some_and(|slot| slot.capabilities() & abi::CHAT_CAP_READ_DIRECT != 0)
        };
        for (hook, chain) in &self.chains {
            hooks |= match *hook {
                abi::CHAT_HOOK_CONNECT => HookSet::CONNECT,
                abi::CHAT_HOOK_LOGIN => HookSet::LOGIN,
                abi::CHAT_HOOK_ENTRY if chain.iter().any(direct) => {
                    HookSet::ENTRY | HookSet::ENTRY_DIRECT
                }
                abi::CHAT_HOOK_ENTRY => HookSet::ENTRY,
                abi::CHAT_HOOK_FILE_OFFER | abi::CHAT_HOOK_FILE_COMPLETE => HookSet::FILE,
                abi::CHAT_HOOK_ENTRY_POST => HookSet::TAIL,
                abi::CHAT_HOOK_PRESENCE_POST => HookSet::PRESENCE,
                abi::CHAT_HOOK_DISCONNECT_POST => HookSet::DISCONNECT,
                _ => continue,
            };
        }
        let mut commands: Vec<CommandItem> = self
            .commands
            .iter()
            .filter_map(|(name, id)| {
                let help = self.slots.get(id)?.about.commands.get(name)?;
                Some(CommandItem {
                    name: name.clone(),
                    help: help.clone(),
                })
            })
            .collect();
        commands.sort_by(|one, other| one.name.cmp(&other.name));
        commands.truncate(chat_engine::limits::COMMANDS);
        Subscriptions { hooks, commands }
    }
}
