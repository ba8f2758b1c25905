//! Clients that move tags and delete them.

use http::{Method, StatusCode};

use super::send;
use crate::simulation::dice::Dice;
use crate::simulation::world::World;

pub async fn request(world: &World, dice: &mut Dice) {
    let key = dice.pick(&world.plan.moving);
    let content = dice.pick(&world.plan.contents[..4]);
    let replica = *dice.pick(world.plan.replicas);
    let target = format!("manifests/{}", key.tag.as_str());
    if dice.in_thousand(150) {
        let reply = send(world, replica, Method::DELETE, &target, None).await;
        if reply.is_ok_and(|reply| reply.status == StatusCode::ACCEPTED) {
            world.count("moving tags deleted");
        }
        return;
    }
    let reply = send(world, replica, Method::PUT, &target, Some(content)).await;
    if reply.is_ok_and(|reply| reply.status == StatusCode::CREATED) {
        world.count("moves acknowledged");
        world.was_moved(key, &content.digest);
    }
}
